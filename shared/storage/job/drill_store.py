"""The rows of a drill, on a queue that no worker serves."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from uuid_utils.compat import uuid7

from shared.domain.job.jobs import Job, JobKind, NewJob, Ring, rank_of
from shared.storage.database import UnitOfWork
from shared.storage.job.job_store import JobStore

PRINCIPAL = "tocsin-doctor"
LEFT_FOR = timedelta(minutes=10)
"""Rows that a killed drill left behind end by their deadline."""


class DrillStore:
    """Plants and removes jobs of a drill within one unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def plant(self, queue: str, count: int, *, is_rung: bool) -> list[Ring]:
        """Add jobs that are queued now, as if each had been rung or not; the rings they wait for."""
        now = (await self._work.fetch("select now() as now"))[0].now
        jobs = [
            NewJob(
                job_id=uuid7(),
                kind=JobKind.NOTIFY,
                spec="{}",
                run_at=now,
                max_attempts=10,
                principal_id=PRINCIPAL,
                labels={"tocsin": "drill"},
                expires_at=now + LEFT_FOR,
            )
            for _ in range(count)
        ]
        await JobStore(self._work).insert(jobs, now=now)
        await self._work.run(
            "update jobs set queue = $1, dispatched_at = case when $2::bool then now() end"
            " where job_id = any($3::uuid[])",
            queue,
            is_rung,
            [job.job_id for job in jobs],
        )
        return [Ring(job.job_id, 1, queue, rank_of(job.run_at, job.priority)) for job in jobs]

    async def get(self, job_id: UUID) -> Job:
        """One of the jobs as it stands."""
        return (await JobStore(self._work).find_jobs([job_id]))[job_id]

    async def remove(self, job_ids: Sequence[UUID]) -> None:
        """Delete the jobs, whatever their state, with their attempts."""
        await self._work.run("delete from jobs where job_id = any($1::uuid[])", list(job_ids))
