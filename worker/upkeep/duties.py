"""The duties' clock: each runs at its own interval in every worker, and one's failure stops no other."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from shared.broker import REDIS_AWAY
from shared.storage.errors import StorageUnavailableError
from shared.telemetry import note_failure, report_error
from worker.metrics import UPKEEP, UPKEEP_FAILURES, UPKEEP_SECONDS

_log = structlog.get_logger()

_AWAY = (*REDIS_AWAY, StorageUnavailableError, TimeoutError)
"""A server that is away is no error of ours to be reported."""

DUTY_TIMEOUT_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Duty:
    """A piece of upkeep: its name, how often it runs, and what it does; it answers how much it moved.

    While it moves something it is run again after `breath_seconds`: what is not urgent lets others through.
    """

    name: str
    interval_seconds: float
    run: Callable[[], Awaitable[int]]
    breath_seconds: float = 0.0


async def keep(duty: Duty) -> None:
    """Run the duty at its interval until cancelled, without a pause while it finds work, a little spread."""
    while True:
        moved = await _run_once(duty)
        pause_seconds = duty.breath_seconds if moved else duty.interval_seconds
        await asyncio.sleep(pause_seconds * random.uniform(0.8, 1.2))  # noqa: S311 - spreads workers


async def _run_once(duty: Duty) -> int:
    began_at = time.monotonic()
    try:
        async with asyncio.timeout(DUTY_TIMEOUT_SECONDS):
            moved = await duty.run()
            UPKEEP.labels(duty=duty.name).inc(moved)
            return moved
    except Exception as error:  # noqa: BLE001 - whatever is away comes back, and the duty with it
        UPKEEP_FAILURES.labels(duty=duty.name).inc()
        _log.warning("duty_failed", duty=duty.name, error=repr(error))
        _tell_failure(duty, error, seconds=time.monotonic() - began_at)
        return 0
    finally:
        _note_duration(duty, time.monotonic() - began_at)


def _tell_failure(duty: Duty, error: Exception, *, seconds: float) -> None:
    note_failure(f"upkeep {duty.name}", error, seconds=seconds)
    if not isinstance(error, _AWAY):
        report_error(error, where="duty", duty=duty.name)


def _note_duration(duty: Duty, seconds: float) -> None:
    UPKEEP_SECONDS.labels(duty=duty.name).observe(seconds)
    if seconds > duty.interval_seconds:
        _log.warning("duty_slow", duty=duty.name, seconds=round(seconds, 3), interval_seconds=duty.interval_seconds)
