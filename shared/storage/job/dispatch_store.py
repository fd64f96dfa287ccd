"""Which jobs the doorbell has to be rung for: never rung, due now, or forgotten by Redis; and which are too late."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from shared.domain.job.dispatch import Dispatch, RungJob
from shared.domain.job.jobs import Failure, Ring
from shared.domain.job.leases import JobChange
from shared.storage.database import UnitOfWork
from shared.storage.fleet.epoch_store import BROKER
from shared.storage.job.job_store import HELD_NO_MORE, change_of, ring_of
from shared.storage.job.lease_store import error_of

_FIRST = (datetime.fromtimestamp(0).astimezone(), UUID(int=0))


class DispatchStore:
    """Reads and moves jobs that wait for a worker, within one unit of work.

    What is about to be rung is marked as rung before: `dispatched_at` is never later than the ring, so that a life of
    Redis that began after it has no such ring. Rows that another transaction holds are left for the next run.
    """

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def mark_unrung(self, *, older_than: timedelta, limit: int) -> list[Ring]:
        """Mark as rung the queued jobs that never were, unless they changed within `older_than`; ring them now."""
        rows = await self._work.fetch(
            """
            update jobs set dispatched_at = now()
            where job_id in (
                select job_id from jobs
                where state = 'queued' and blocked_by is null and dispatched_at is null
                  and updated_at < now() - $1::interval
                limit $2 for no key update skip locked)
            returning job_id, dispatch_no, queue, run_at, priority
            """,
            older_than,
            limit,
        )
        return [ring_of(row) for row in rows]

    async def mark_forgotten(self, *, limit: int) -> list[Ring]:
        """Mark as rung the queued jobs that were rung before the present life of Redis began; ring them now."""
        rows = await self._work.fetch(
            """
            update jobs set dispatched_at = now()
            where job_id in (
                select job_id from jobs
                where state = 'queued' and blocked_by is null
                  and dispatched_at < (select since from broker_epochs where broker = $1)
                order by dispatched_at limit $2 for no key update skip locked)
            returning job_id, dispatch_no, queue, run_at, priority
            """,
            BROKER,
            limit,
        )
        return [ring_of(row) for row in rows]

    async def list_rung(self, *, older_than: timedelta, after: RungJob | None, limit: int) -> list[RungJob]:
        """Queued jobs that were rung longer ago than `older_than`, the longest ago first, on from `after`."""
        rows = await self._work.fetch(
            """
            select job_id, dispatch_no, queue, run_at, priority, dispatched_at from jobs
            where state = 'queued' and blocked_by is null and dispatched_at < now() - $1::interval
              and (dispatched_at, job_id) > ($2::timestamptz, $3::uuid)
            order by dispatched_at, job_id limit $4
            """,
            older_than,
            *((after.dispatched_at, after.ring.job_id) if after else _FIRST),
            limit,
        )
        return [RungJob(ring_of(row), row.dispatched_at) for row in rows]

    async def mark_missing(self, rung: Sequence[RungJob]) -> list[Ring]:
        """Mark as rung once more those that nobody rang meanwhile and that still wait; ring them now."""
        rows = await self._work.fetch(
            """
            update jobs set dispatched_at = now()
            where job_id in (
                select j.job_id from unnest($1::uuid[], $2::int4[], $3::timestamptz[])
                                     as r (job_id, dispatch_no, dispatched_at)
                join jobs j using (job_id, dispatch_no, dispatched_at)
                where j.state = 'queued' and j.blocked_by is null
                order by j.job_id for no key update of j skip locked)
            returning job_id, dispatch_no, queue, run_at, priority
            """,
            [job.ring.job_id for job in rung],
            [job.ring.dispatch_no for job in rung],
            [job.dispatched_at for job in rung],
        )
        return [ring_of(row) for row in rows]

    async def mark_not_rung(self, rings: Sequence[Ring]) -> None:
        """Take the mark back from jobs whose ring did not get through."""
        await self._work.run(
            """
            update jobs set dispatched_at = null
            where job_id in (
                select j.job_id from unnest($1::uuid[], $2::int4[]) as r (job_id, dispatch_no)
                join jobs j using (job_id, dispatch_no) where j.state = 'queued'
                order by j.job_id for no key update of j skip locked)
            """,
            [ring.job_id for ring in rings],
            [ring.dispatch_no for ring in rings],
        )

    async def list_standing(self, dispatches: Sequence[Dispatch]) -> set[Dispatch]:
        """Those of the dispatches whose job is queued under them."""
        rows = await self._work.fetch(
            """
            select job_id, dispatch_no from unnest($1::uuid[], $2::int4[]) as r (job_id, dispatch_no)
            join jobs j using (job_id, dispatch_no) where j.state = 'queued'
            """,
            [dispatch.job_id for dispatch in dispatches],
            [dispatch.dispatch_no for dispatch in dispatches],
        )
        return {Dispatch(row.job_id, row.dispatch_no) for row in rows}

    async def promote_due(self, *, limit: int) -> tuple[list[Ring], list[JobChange]]:
        """Queue the scheduled and retrying jobs that are due, each under a dispatch number of its own."""
        rows = await self._work.fetch(
            """
            update jobs set state = 'queued', dispatch_no = dispatch_no + 1, dispatched_at = null, queued_at = now(),
                            blocked_ms = 0, version = version + 1, updated_at = now()
            where job_id in (select job_id from jobs
                             where state in ('scheduled', 'retrying') and run_at <= now()
                               and (expires_at is null or expires_at > now())
                             order by run_at limit $1 for no key update skip locked)
            returning job_id, dispatch_no, queue, run_at, priority, version, state, kind
            """,
            limit,
        )
        return [ring_of(row) for row in rows], [change_of(row) for row in rows]

    async def expire_due(self, *, limit: int, error: Failure) -> list[JobChange]:
        """End the waiting jobs whose deadline has passed, saying `error` of them."""
        rows = await self._work.fetch(
            f"""
            update jobs set state = 'expired', finished_at = now(), error = $2::jsonb, {HELD_NO_MORE},
                            version = version + 1, updated_at = now()
            where job_id in (select job_id from jobs
                             where state in ('queued', 'retrying', 'scheduled') and expires_at <= now()
                             order by expires_at limit $1 for no key update skip locked)
            returning job_id, version, state, kind
            """,
            limit,
            error_of(error),
        )
        return [change_of(row) for row in rows]
