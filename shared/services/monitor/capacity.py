"""Capacity: what is scheduled, what the workers do of it, and how many of them it takes."""

import asyncio
import time
from collections.abc import Sequence

from shared.domain.monitor.capacity import Capacity, CapacityFigures, decide_capacity, slots_per_second
from shared.storage.database import Database
from shared.storage.monitor.capacity_store import CapacityStore, ScheduledGroup

FRESH_SECONDS = 2.0
"""How long a measurement serves all who ask."""


class CapacityService:
    """Measures capacity; `target_slots` is how many looks a worker takes at once."""

    def __init__(self, database: Database, *, target_slots: int) -> None:
        self._database = database
        self._target_slots = target_slots
        self._measuring = asyncio.Lock()
        self._latest: tuple[float, CapacityFigures] | None = None

    async def read(self) -> tuple[CapacityFigures, Capacity]:
        """The figures, measured anew unless they are fresh, and what follows from them.

        Raises:
            StorageUnavailableError: the database is away or too slow.
        """
        async with self._measuring:
            if self._latest is None or time.monotonic() >= self._latest[0] + FRESH_SECONDS:
                self._latest = (time.monotonic(), await self._measure())
            figures = self._latest[1]
        return figures, decide_capacity(figures)

    async def _measure(self) -> CapacityFigures:
        async with self._database.transaction() as work:
            store = CapacityStore(work)
            groups = await store.list_scheduled()
            crew = await store.read_crew()
            overloaded_since = await store.find_overload()
        # A cron expression that was not met before takes 2 ms, and there may be thousands.
        rates = await asyncio.to_thread(_rates_of, groups)
        return CapacityFigures(
            monitors=sum(group.monitors for group in groups),
            scheduled_per_second=sum(rate for _, rate in rates),
            busy_looks=sum(rate * group.duration_ms / 1000 for group, rate in rates),
            workers=crew.workers,
            checks_per_second=crew.checks_per_second,
            cpu_share=crew.cpu_share,
            slots_per_worker=self._target_slots,
            overloaded_since=overloaded_since,
        )


def _rates_of(groups: Sequence[ScheduledGroup]) -> list[tuple[ScheduledGroup, float]]:
    """How many looks a second each group takes."""
    return [(group, group.monitors * slots_per_second(group.schedule)) for group in groups]
