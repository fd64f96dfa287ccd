"""Deletes what has been kept long enough, a bounded batch at a time."""

from datetime import timedelta

from shared.storage.advisory_locks import JOB_RETENTION
from shared.storage.database import UnitOfWork
from shared.storage.tables.jobs import TERMINAL_LIST


class RetentionStore:
    """Deletes ended jobs within one unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def try_lock(self) -> bool:
        """Whether this transaction is the one that deletes; another's end is not waited for."""
        rows = await self._work.fetch("select pg_try_advisory_xact_lock($1) as is_locked", JOB_RETENTION)
        return bool(rows[0].is_locked)

    async def delete_ended(self, *, older_than: timedelta, limit: int) -> int:
        """Delete jobs that ended longer ago than that, with their attempts and what they found; answer how many.

        A job whose child has not ended stays until it has. Samples and roll-ups are a series', and stay.
        """
        result = await self._work.run(
            f"""
            delete from jobs where job_id in (
                select job_id from jobs j
                where state in ({TERMINAL_LIST}) and finished_at < now() - $1::interval
                  and not exists (select from jobs child where child.parent_id = j.job_id and child.finished_at is null)
                order by finished_at limit $2 for update skip locked)
            """,
            older_than,
            limit,
        )
        return result.rowcount
