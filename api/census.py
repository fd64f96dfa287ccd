"""How many jobs wait and run, for the metrics: counted at most every few seconds, up to a bound."""

import asyncio

from prometheus_client import Gauge

from shared.storage.database import Database
from shared.storage.errors import StorageUnavailableError
from shared.storage.job_status_store import JobStatusStore

TTL_SECONDS = 5.0
COUNT_AT_MOST = 10_000
COUNT_SECONDS = 2.0


class Census:
    """Counts jobs into a gauge with the labels queue and state."""

    def __init__(self, database: Database, gauge: Gauge) -> None:
        self._database = database
        self._gauge = gauge
        self._counted_at: float | None = None

    async def refresh(self) -> None:
        """Count, unless that was done a moment ago; while the database is away the series are absent."""
        at = asyncio.get_running_loop().time()
        if self._counted_at is not None and at - self._counted_at < TTL_SECONDS:
            return
        self._counted_at = at
        try:
            async with asyncio.timeout(COUNT_SECONDS), self._database.transaction() as work:
                counts = await JobStatusStore(work).count_live(at_most=COUNT_AT_MOST)
        except (StorageUnavailableError, TimeoutError):
            counts = {}
        self._gauge.clear()
        for (queue, state), count in counts.items():
            self._gauge.labels(queue, state).set(count)
