"""What the proofs wait for and hurry along."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

from job_bench import Bench

from chaos.ledger import count_live
from chaos.processes import Victim
from shared.tasks import end_tasks
from worker.upkeep.duties import Duty, keep

LEASE_SECONDS = 2.0
PATIENCE_SECONDS = 90.0
LOOK_SECONDS = 0.05

StartVictim = Callable[..., Victim]


@asynccontextmanager
async def hurried_upkeep(bench: Bench) -> AsyncIterator[None]:
    """Upkeep beside the workers' own, which finds the same, but seconds later."""

    async def reconcile() -> int:
        return await bench.repair.reconcile(older_than=timedelta(seconds=1))

    duties = [
        Duty("relay", 0.1, bench.repair.relay),
        Duty("promote", 0.1, bench.recovery.promote),
        Duty("rescue", 0.1, bench.recovery.rescue),
        Duty("reconcile", 0.2, reconcile),
    ]
    running = [asyncio.create_task(keep(duty)) for duty in duties]
    try:
        yield
    finally:
        await end_tasks(running)


async def all_ended(database_url: str) -> None:
    """Wait until no job is alive, through whatever befalls the database."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            if not await _live(database_url):
                return
            await asyncio.sleep(LOOK_SECONDS)


async def _live(database_url: str) -> bool:
    try:
        return await count_live(database_url) > 0
    except Exception:  # noqa: BLE001 - a database that is starting again is asked again
        return True
