"""Claiming a job whose row another transaction holds for a moment."""

import asyncio
from datetime import timedelta
from uuid import uuid4

from job_bench import new_job

from shared.clock import utc_now
from shared.domain.job.jobs import Ring
from shared.storage.database import Database
from shared.storage.job.dispatch_store import DispatchStore
from shared.storage.job.job_store import QUEUE_OF, JobStore
from shared.storage.job.lease_store import LeaseStore

LEASE = timedelta(seconds=30)
LOCK_WAITS = (
    "select count(*) as waiters from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
)


async def a_waiting_ring(database: Database) -> Ring:
    job = new_job()
    async with database.transaction() as work:
        await JobStore(work).insert([job], now=utc_now())
    return Ring(job.job_id, 1, QUEUE_OF[job.kind])


async def claim(database: Database, ring: Ring) -> int:
    async with database.transaction() as work:
        claimed, _ = await LeaseStore(work).claim_queued([(ring, uuid4())], owner="worker-1", lease=LEASE)
    return len(claimed)


async def somebody_waits(database: Database) -> None:
    async with asyncio.timeout(10):
        while True:
            async with database.transaction() as work:
                if (await work.fetch(LOCK_WAITS))[0].waiters:
                    return


async def test_a_ring_is_not_lost_while_upkeep_marks_it(database: Database) -> None:
    """A claim waits for the transaction that marks the job as rung; skipped, the job would lie for half a minute."""
    ring = await a_waiting_ring(database)
    async with database.transaction() as work:
        marked = await DispatchStore(work).mark_unrung(older_than=timedelta(0), limit=1)
        assert [one.job_id for one in marked] == [ring.job_id]
        claiming = asyncio.create_task(claim(database, ring))
        await somebody_waits(database)
    assert await claiming == 1


async def test_of_two_claims_at_once_one_gets_the_job(database: Database) -> None:
    """The second claim waits for the first, then finds the job running."""
    ring = await a_waiting_ring(database)
    async with database.transaction() as work:
        claimed, _ = await LeaseStore(work).claim_queued([(ring, uuid4())], owner="worker-2", lease=LEASE)
        claiming = asyncio.create_task(claim(database, ring))
        await somebody_waits(database)
    assert (len(claimed), await claiming) == (1, 0)
