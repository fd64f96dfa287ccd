"""A worker process: answers the rings of its queues, keeps its leases, does its share of upkeep, stops gracefully."""

import asyncio
import gc
import os
import re
import signal
import socket
import sys
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack
from typing import Any

import structlog
import uvloop
from prometheus_client import start_http_server

from shared.domain.fleet.queues import queue_name
from shared.domain.job.jobs import JobKind
from shared.log import configure_logging
from shared.settings import Settings
from shared.storage.errors import StorageUnavailableError
from shared.storage.schema import OldSchemaError, wait_for_schema
from shared.tasks import end_tasks
from shared.wiring import NotConfiguredError, ProcessContext
from shared.wiring.outside import InvalidSettingError
from shared.wiring.telemetry import telemetry
from shared.wiring.worker import UpkeepNotes, WorkerServices
from worker.beat import beat
from worker.crew import Crew
from worker.doorbell import HAND_BACK_SECONDS
from worker.loop_watch import watch_loop
from worker.metrics import count_missed, count_repairs, note_schedule
from worker.upkeep.duties import keep
from worker.upkeep.schedule import duties_of

_log = structlog.get_logger()

ALL_QUEUES = tuple(kind.value for kind in JobKind)
LEAVE_SECONDS = 5.0
"""How long a stopped worker may take to forget its row; upkeep does it a day later."""


def serve(settings: Settings, *, queues: Sequence[str] = ALL_QUEUES) -> None:
    """Run a worker until SIGTERM or SIGINT: quiet, finish what runs, hand back the rest; exit 1 if it cannot start."""
    configure_logging(settings.log_level, settings.log_format)
    try:
        with telemetry(settings, service="tocsin-worker"):
            uvloop.run(_serve(settings, [JobKind(queue) for queue in queues]))
    except (OldSchemaError, NotConfiguredError, InvalidSettingError) as error:
        sys.exit(f"tocsin worker: {error}")
    except StorageUnavailableError:
        sys.exit("tocsin worker: the database does not answer; check TOCSIN_DATABASE_URL")


def new_worker_id() -> str:
    """A name that tells workers apart: host, process, and a little randomness against reused process ids."""
    host = re.sub(r"[^A-Za-z0-9.-]", "_", socket.gethostname())  # It becomes part of a path.
    return f"{host}:{os.getpid()}:{os.urandom(3).hex()}"


async def _serve(settings: Settings, kinds: Sequence[JobKind]) -> None:
    worker_id = new_worker_id()
    stop, hurry = _stop_on_signals()
    async with AsyncExitStack() as stack:
        context = ProcessContext.open(settings, name=f"tocsin worker {worker_id}")
        stack.push_async_callback(context.close)
        await wait_for_schema(context.database)
        notes = UpkeepNotes(count_repairs=count_repairs, note_schedule=note_schedule, count_missed=count_missed)
        services = await WorkerServices.open(context, worker_id=worker_id, notes=notes)
        stack.push_async_callback(services.close)
        tune_garbage_collection()
        await run_until(stop, services, kinds=kinds, hurry=hurry)


def tune_garbage_collection() -> None:
    """Leave alone what lives as long as the process, and collect seldom: collections were a tenth of a check."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)


async def run_until(
    stop: asyncio.Event, services: WorkerServices, *, kinds: Sequence[JobKind], hurry: asyncio.Event | None = None
) -> None:
    """Answer rings until `stop`, then wait for what runs, until `hurry` at most, and hand the rest back."""
    crew = Crew(services, kinds)
    leases = services.leases
    background = [
        asyncio.create_task(leases.run(crew.obey)),
        asyncio.create_task(services.context.orders.listen(leases.hear, reconnected=leases.beat_soon)),
        asyncio.create_task(watch_loop(leases)),
        *(asyncio.create_task(keep(duty)) for duty in duties_of(services)),
        *_show_life(services.context.settings),
    ]
    answering = crew.serve()
    _log.info("worker_ready", worker_id=leases.owner, queues=[queue_name(queue) for queue in leases.vitals.queues])
    try:
        await _first(stop.wait(), *answering)
    finally:
        crew.quiet()
        background.append(asyncio.create_task(_hurry_on(hurry, crew)))
        # Not cancelled: a ring already taken out of the queue would be lost until upkeep finds its row.
        await asyncio.gather(*answering, return_exceptions=True)
        # The heartbeat goes on until the last job is recorded or handed back.
        await crew.finish(within_seconds=services.context.settings.drain_seconds)
        await _write_down(services)
        await end_tasks(background)
        await _leave(services)
        _log.info("worker_stopped", worker_id=leases.owner)


def _show_life(settings: Settings) -> "list[asyncio.Task[None]]":
    """What looks at this worker from outside: Prometheus, and a container's health check."""
    if settings.worker_metrics_port:
        _show_metrics(settings.host, settings.worker_metrics_port)
    if settings.worker_beat_file is None:
        return []
    return [asyncio.create_task(beat(settings.worker_beat_file))]


def _show_metrics(host: str, port: int) -> None:
    try:
        start_http_server(port, addr=host)
    except OSError as error:
        # Being seen is not worth more than working.
        _log.warning("metrics_port_taken", host=host, port=port, error=error.strerror)


async def _hurry_on(hurry: asyncio.Event | None, crew: Crew) -> None:
    if hurry is not None:
        await hurry.wait()
        crew.hurry()


async def _write_down(services: WorkerServices) -> None:
    """Let what has ended be recorded; while the database is away the leases are what is left of it."""
    try:
        async with asyncio.timeout(HAND_BACK_SECONDS):
            await services.execution.drain()
    except TimeoutError:
        _log.warning("ends_not_recorded", worker_id=services.leases.owner)


async def _leave(services: WorkerServices) -> None:
    try:
        async with asyncio.timeout(LEAVE_SECONDS):
            await services.context.fleet.leave(services.leases.owner)
    except (StorageUnavailableError, TimeoutError) as error:
        _log.warning("worker_row_left", worker_id=services.leases.owner, error=repr(error))


def _stop_on_signals() -> tuple[asyncio.Event, asyncio.Event]:
    """Set at the first signal, and at the second of one kind: a terminal and a supervisor may each send one."""
    stop, hurry = asyncio.Event(), asyncio.Event()
    seen: set[int] = set()

    def hear(signum: int) -> None:
        stop.set()
        if signum in seen:
            hurry.set()
        seen.add(signum)

    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, hear, signum)
    return stop, hurry


async def _first(stopping: Coroutine[Any, Any, Any], *polling: "asyncio.Task[None]") -> None:
    """Wait for the stop, or for the failure of a worker, which is raised."""
    waiting = asyncio.create_task(stopping)
    done, _ = await asyncio.wait([waiting, *polling], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    for task in done - {waiting}:
        task.result()
