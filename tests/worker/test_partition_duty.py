"""Upkeep drops what is too old by the database's clock."""

from datetime import datetime, timedelta

from shared.clock import utc_now
from shared.domain.sample.segments import DAY
from shared.settings import Settings
from shared.storage.sample.partition_store import PartitionStore
from shared.storage.sample.partitions import SAMPLES
from shared.wiring.process import ProcessContext
from shared.wiring.worker import WorkerServices


def years_ahead() -> datetime:
    return utc_now() + timedelta(days=4000)


async def test_a_worker_whose_clock_is_ahead_drops_nothing(fresh_database_url: str, redis_url: str) -> None:
    """It makes the partitions of the days that the database has: one wrong clock must not cost the samples of years."""
    settings = Settings(database_url=fresh_database_url, redis_url=redis_url)
    context = ProcessContext.open(settings, name="tests", clock=years_ahead)
    services = await WorkerServices.open(context, worker_id="w")
    try:
        await services.keep_partitions()
        async with context.database.transaction() as work:
            store = PartitionStore(work)
            today = await store.read_now()
            assert await store.list_attached(SAMPLES) == [
                SAMPLES.span_of(today + ahead * DAY).name for ahead in range(4)
            ]
    finally:
        await services.close()
        await context.close()
