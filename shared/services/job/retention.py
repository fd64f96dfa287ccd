"""Upkeep of the past: what has been kept long enough is forgotten. Safe anywhere and twice."""

from datetime import timedelta

from shared.storage.database import Database
from shared.storage.job.idempotency_store import IdempotencyStore
from shared.storage.job.retention_store import RetentionStore

JOBS_AT_ONCE = 500
KEYS_AT_ONCE = 5000


class Retention:
    """Deletes in small batches; each duty answers how much it deleted, so that it is called again while there is more.

    `job_days` is how long ended jobs are kept, 0 for ever.
    """

    def __init__(self, database: Database, *, job_days: int) -> None:
        self._database = database
        self._kept_for = timedelta(days=job_days)

    async def forget_jobs(self) -> int:
        """Delete jobs that ended long ago; while another process is at it, none."""
        if not self._kept_for:
            return 0
        async with self._database.transaction() as work:
            store = RetentionStore(work)
            if not await store.try_lock():
                return 0
            return await store.delete_ended(older_than=self._kept_for, limit=JOBS_AT_ONCE)

    async def forget_keys(self) -> int:
        """Delete idempotency keys whose time is over."""
        async with self._database.transaction() as work:
            return await IdempotencyStore(work).delete_expired(limit=KEYS_AT_ONCE)
