"""Watches how long the event loop stands still: a worker whose loop is blocked, or that was stopped, cannot beat."""

import asyncio
import time

import structlog

from shared.domain.fleet.workers import is_threatening
from shared.services.job.leases import Leases
from worker.metrics import LOOP_LAG

_log = structlog.get_logger()

TICK_SECONDS = 0.1
"""How often the loop is asked; a standstill is seen within this time of its end."""


async def watch_loop(leases: Leases) -> None:
    """Note each standstill until cancelled, and give up at once the leases that ran out during it.

    Also after the process was stopped and continued (SIGSTOP, a frozen container): the monotonic clock went on.
    """
    lease_seconds = leases.duration.total_seconds()
    while True:
        due = time.monotonic() + TICK_SECONDS
        await asyncio.sleep(TICK_SECONDS)
        lag_seconds = max(0.0, time.monotonic() - due)
        leases.fence_silent()
        leases.vitals.note_lag(lag_seconds)
        LOOP_LAG.observe(lag_seconds)
        if is_threatening(lag_seconds, lease_seconds=lease_seconds):
            _log.warning("loop_stood_still", lag_seconds=round(lag_seconds, 3), lease_seconds=lease_seconds)
