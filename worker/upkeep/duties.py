"""The duties' clock: each runs at its own interval in every worker, and one's failure stops no other."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from worker.metrics import UPKEEP, UPKEEP_FAILURES

_log = structlog.get_logger()

DUTY_TIMEOUT_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Duty:
    """A piece of upkeep: its name, how often it runs, and what it does; it answers how much it moved."""

    name: str
    interval_seconds: float
    run: Callable[[], Awaitable[int]]


async def keep(duty: Duty) -> None:
    """Run the duty at its interval until cancelled, at once again while it finds work, a little spread."""
    while True:
        moved = await _run_once(duty)
        if not moved:
            await asyncio.sleep(duty.interval_seconds * random.uniform(0.8, 1.2))  # noqa: S311 - spreads workers


async def _run_once(duty: Duty) -> int:
    try:
        async with asyncio.timeout(DUTY_TIMEOUT_SECONDS):
            moved = await duty.run()
    except Exception as error:  # noqa: BLE001 - whatever is away comes back, and the duty with it
        UPKEEP_FAILURES.labels(duty=duty.name).inc()
        _log.warning("duty_failed", duty=duty.name, error=repr(error))
        return 0
    UPKEEP.labels(duty=duty.name).inc(moved)
    return moved
