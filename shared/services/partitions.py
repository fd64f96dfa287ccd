"""Upkeep of partitions: those of the days to come are made ahead, those that are too old are dropped."""

from datetime import datetime, timedelta

from shared.domain.segments import DAY
from shared.storage.database import Database
from shared.storage.partition_retention import forget_before
from shared.storage.partition_store import PartitionStore
from shared.storage.partitions import HOURS, SAMPLES

DAYS_AHEAD = 3
HOUR_ROLLUPS_KEPT = timedelta(days=100)
"""Hours are kept for a quarter of a year; days for ever."""


async def ensure_partitions(database: Database, now: datetime, hot_days: int) -> list[str]:
    """Make the partitions of today and three days more, drop samples older than `hot_days`; the names of new ones.

    Safe to run anywhere and twice: when another process is at it, this one does nothing.
    """
    made = []
    async with database.transaction() as work:
        store = PartitionStore(work)
        if await store.try_lock():
            moments = [now + ahead * DAY for ahead in range(DAYS_AHEAD + 1)]
            made = await store.create_missing(SAMPLES, moments) + await store.create_missing(HOURS, moments)
    samples_from = now - hot_days * DAY
    await forget_before(database, samples=samples_from, hours=min(samples_from, now - HOUR_ROLLUPS_KEPT))
    return made
