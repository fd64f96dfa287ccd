"""Upkeep of partitions: those of the days to come are made ahead, those that are too old are dropped."""

from dataclasses import dataclass
from datetime import datetime

from shared.domain.sample.segments import DAY
from shared.storage.database import Database
from shared.storage.sample.partition_retention import Kept, forget_before
from shared.storage.sample.partition_store import PartitionStore
from shared.storage.sample.partitions import HOURS, NOTES, SAMPLES

DAYS_AHEAD = 3


@dataclass(frozen=True, slots=True)
class SampleRetention:
    """For how many days samples, packed or not, and hours are kept; days are kept for ever."""

    sample_days: int
    hour_days: int

    def kept(self, now: datetime) -> Kept:
        """From when on they are kept."""
        return Kept(samples=now - self.sample_days * DAY, hours=now - self.hour_days * DAY)


async def keep_partitions(database: Database, retention: SampleRetention) -> list[str]:
    """Make and drop partitions as of now, by the database's clock: one worker's that is ahead would drop all there is.

    The names of new ones.
    """
    async with database.transaction() as work:
        now = await PartitionStore(work).read_now()
    return await ensure_partitions(database, now, retention)


async def ensure_partitions(database: Database, now: datetime, retention: SampleRetention) -> list[str]:
    """Make the partitions of today and three days more, drop what is older than is kept; the names of new ones.

    Safe to run anywhere and twice: when another process is at it, this one does nothing.
    """
    made: list[str] = []
    async with database.transaction() as work:
        store = PartitionStore(work)
        if await store.try_lock():
            moments = [now + ahead * DAY for ahead in range(DAYS_AHEAD + 1)]
            for partitioning in (SAMPLES, NOTES, HOURS):
                made += await store.create_missing(partitioning, moments)
    await forget_before(database, retention.kept(now))
    return made
