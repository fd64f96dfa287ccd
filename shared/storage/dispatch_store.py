"""Which jobs the doorbell has to be rung for: never rung, due now, or rung long ago."""

from collections.abc import Sequence
from datetime import timedelta

from shared.domain.jobs import Ring
from shared.domain.leases import JobChange
from shared.storage.database import UnitOfWork
from shared.storage.job_store import change_of, ring_of


class DispatchStore:
    """Reads and moves jobs that wait for a worker, within one unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def list_unrung(self, *, older_than: timedelta, limit: int) -> list[Ring]:
        """Queued jobs whose ring was never confirmed."""
        rows = await self._work.fetch(
            """
            select job_id, dispatch_no, queue, run_at, priority from jobs
            where state = 'queued' and blocked_by is null and dispatched_at is null
              and updated_at < now() - $1::interval
            limit $2
            """,
            older_than,
            limit,
        )
        return [ring_of(row) for row in rows]

    async def list_rung(self, *, older_than: timedelta, limit: int) -> list[Ring]:
        """Queued jobs that were rung longer ago than `older_than`: Redis may have forgotten them."""
        rows = await self._work.fetch(
            """
            select job_id, dispatch_no, queue, run_at, priority from jobs
            where state = 'queued' and blocked_by is null and dispatched_at < now() - $1::interval
            order by dispatched_at limit $2
            """,
            older_than,
            limit,
        )
        return [ring_of(row) for row in rows]

    async def mark_rung(self, rings: Sequence[Ring]) -> None:
        """Confirm the rings of jobs that still wait under the same dispatch."""
        await self._work.run(
            """
            update jobs set dispatched_at = now()
            where job_id in (
                select j.job_id from unnest($1::uuid[], $2::int4[]) as r (job_id, dispatch_no)
                join jobs j on j.job_id = r.job_id and j.dispatch_no = r.dispatch_no and j.state = 'queued'
                order by j.job_id for update of j skip locked)
            """,
            [ring.job_id for ring in rings],
            [ring.dispatch_no for ring in rings],
        )

    async def promote_due(self, *, limit: int) -> tuple[list[Ring], list[JobChange]]:
        """Queue the scheduled and retrying jobs that are due, each under a dispatch number of its own."""
        rows = await self._work.fetch(
            """
            update jobs set state = 'queued', dispatch_no = dispatch_no + 1, dispatched_at = null, queued_at = now(),
                            blocked_ms = 0, version = version + 1, updated_at = now()
            where job_id in (select job_id from jobs where state in ('scheduled', 'retrying') and run_at <= now()
                             order by run_at limit $1 for update skip locked)
            returning job_id, dispatch_no, queue, run_at, priority, version, state
            """,
            limit,
        )
        return [ring_of(row) for row in rows], [change_of(row) for row in rows]
