"""How the queues stand, measured for all who ask at once; pausing, draining and resuming them."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass

from shared.clock import Clock
from shared.domain.fleet.queues import QueueFigures, QueueSettings
from shared.domain.job.jobs import JobKind
from shared.storage.database import Database
from shared.storage.fleet.queue_store import QueueStore

FRESH_SECONDS = 1.0
COST_FACTOR = 20
"""Measuring takes at most this part of the time, however many jobs there are to count."""
MEASURE_SECONDS = 20.0
"""The most that measuring may take."""


@dataclass(frozen=True, slots=True)
class QueueReading:
    """What was measured and set, by queue, and the monotonic time until which it counts as fresh."""

    figures: Mapping[JobKind, QueueFigures]
    settings: Mapping[JobKind, QueueSettings]
    fresh_until: float


class Queues:
    """All queues; `slots` is how many a worker has for each, `default_limit` how many jobs may wait unless set."""

    def __init__(self, database: Database, *, slots: Mapping[JobKind, int], default_limit: int, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._measuring = asyncio.Lock()
        self.slots = slots
        self.default_limit = default_limit
        self.latest: QueueReading | None = None

    async def current(self) -> QueueReading:
        """The figures, measured anew unless they are fresh, with the settings as they are now.

        Raises:
            StorageUnavailableError: the database is away or too slow.
        """
        async with self._measuring:
            if self.latest is None or time.monotonic() >= self.latest.fresh_until:
                return await self._measure()
            async with self._database.transaction() as work:
                settings = await QueueStore(work).read_settings()
            self.latest = QueueReading(self.latest.figures, settings, self.latest.fresh_until)
            return self.latest

    async def measure(self) -> QueueReading:
        """Measure now.

        Raises:
            StorageUnavailableError: the database is away or too slow.
        """
        async with self._measuring:
            return await self._measure()

    async def set_flow(
        self, kind: JobKind, *, is_paused: bool | None, is_draining: bool | None, by: str, reason: str | None
    ) -> None:
        """Pause or drain a queue, or end it; None leaves it as it is."""
        async with self._database.transaction() as work:
            await QueueStore(work).set_flow(kind, is_paused=is_paused, is_draining=is_draining, by=by, reason=reason)

    async def set_admission_limit(self, kind: JobKind, limit: int | None) -> None:
        """Set how many jobs may wait in a queue; None is the default."""
        async with self._database.transaction() as work:
            await QueueStore(work).set_admission_limit(kind, limit)

    async def _measure(self) -> QueueReading:
        began = time.monotonic()
        async with self._database.transaction() as work, asyncio.timeout(MEASURE_SECONDS):
            store = QueueStore(work)
            settings = await store.read_settings()
            bounds = {kind: (one.admission_limit or self.default_limit) + 1 for kind, one in settings.items()}
            figures = await store.measure(now=self._clock(), count_at_most=bounds, slots=self.slots)
        ended = time.monotonic()
        self.latest = QueueReading(figures, settings, ended + max(FRESH_SECONDS, COST_FACTOR * (ended - began)))
        return self.latest
