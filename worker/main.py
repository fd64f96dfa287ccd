"""A worker process: answers the rings of its queues, keeps its leases, does its share of upkeep, stops gracefully."""

import asyncio
import gc
import os
import signal
import socket
import sys
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack
from typing import Any

import structlog
import uvloop
from arq.worker import func
from prometheus_client import start_http_server

from shared.domain.jobs import JobKind
from shared.log import configure_logging
from shared.settings import Settings
from shared.storage.errors import StorageUnavailableError
from shared.storage.job_store import QUEUE_OF
from shared.storage.schema import OldSchemaError, wait_for_schema
from shared.task_queue import RUN_JOB
from shared.wiring import NotConfiguredError, ProcessContext
from shared.wiring.telemetry import telemetry
from shared.wiring.worker import InvalidSettingError, WorkerServices
from worker.beat import beat
from worker.doorbell import DoorbellWorker
from worker.metrics import count_repairs
from worker.tasks.run_job import EXECUTION_KEY, QUEUE_KEY, run_job
from worker.upkeep.duties import keep
from worker.upkeep.schedule import duties_of

_log = structlog.get_logger()

ALL_QUEUES = tuple(kind.value for kind in JobKind)
REQUEUE_SLOTS = 2


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
    return f"{socket.gethostname()}:{os.getpid()}:{os.urandom(3).hex()}"


async def _serve(settings: Settings, kinds: Sequence[JobKind]) -> None:
    worker_id = new_worker_id()
    stop = _stop_on_signals()
    async with AsyncExitStack() as stack:
        context = ProcessContext.open(settings, name=f"tocsin worker {worker_id}")
        stack.push_async_callback(context.close)
        await wait_for_schema(context.database)
        services = await WorkerServices.open(context, worker_id=worker_id, count_repairs=count_repairs)
        stack.push_async_callback(services.close)
        tune_garbage_collection()
        await run_until(stop, services, kinds=kinds)


def tune_garbage_collection() -> None:
    """Leave alone what lives as long as the process, and collect seldom: collections were a tenth of a check."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)


async def run_until(stop: asyncio.Event, services: WorkerServices, *, kinds: Sequence[JobKind]) -> None:
    """Answer rings until `stop`, then wait for what runs and hand the rest back."""
    settings = services.context.settings
    slots = {
        JobKind.COLLECT: settings.collect_slots,
        JobKind.NOTIFY: settings.notify_slots,
        JobKind.REQUEUE: REQUEUE_SLOTS,
    }
    workers = [_worker_of(kind, services, slots=slots[kind]) for kind in kinds]
    background = [asyncio.create_task(services.leases.run(lambda _: None))]
    background += [asyncio.create_task(keep(duty)) for duty in duties_of(services)]
    if settings.worker_metrics_port:
        start_http_server(settings.worker_metrics_port, addr=settings.host)
    if settings.worker_beat_file is not None:
        background.append(asyncio.create_task(beat(settings.worker_beat_file)))
    polling = [asyncio.create_task(worker.serve()) for worker in workers]
    _log.info("worker_ready", worker_id=services.leases.owner, queues=[worker.queue_name for worker in workers])
    try:
        await _first(stop.wait(), *polling)
    finally:
        for worker in workers:
            worker.quiet()
        # Not cancelled: a ring already taken out of the queue would be lost until upkeep finds its row.
        await asyncio.gather(*polling, return_exceptions=True)
        # The heartbeat goes on until the last job is recorded or handed back.
        await asyncio.gather(*(worker.finish(within_seconds=settings.drain_seconds) for worker in workers))
        await services.execution.drain()
        await _cancel(background)
        _log.info("worker_stopped", worker_id=services.leases.owner)


def _worker_of(kind: JobKind, services: WorkerServices, *, slots: int) -> DoorbellWorker:
    queue = QUEUE_OF[kind]
    return DoorbellWorker(
        [func(run_job, name=RUN_JOB)],
        services.context.redis,
        queue=queue,
        slots=slots,
        context={EXECUTION_KEY: services.execution, QUEUE_KEY: queue},
    )


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    return stop


async def _first(stopping: Coroutine[Any, Any, Any], *polling: "asyncio.Task[None]") -> None:
    """Wait for the stop, or for the failure of a worker, which is raised."""
    waiting = asyncio.create_task(stopping)
    done, _ = await asyncio.wait([waiting, *polling], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    for task in done - {waiting}:
        task.result()


async def _cancel(tasks: "Sequence[asyncio.Task[None]]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
