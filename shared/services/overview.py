"""How all monitors stand, at one look."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from types import MappingProxyType

from shared.clock import Clock
from shared.domain.overview import OverviewGroup, OverviewPage
from shared.services.uptime import WINDOWS
from shared.storage.database import Database
from shared.storage.monitor_filter import MonitorFilter
from shared.storage.overview_store import OverviewStore
from shared.storage.statistics_store import limited_reading

OVERVIEW_WINDOWS: Mapping[str, timedelta] = MappingProxyType({name: WINDOWS[name] for name in ("24h", "30d")})
"""The windows whose uptime an overview tells."""

PATIENCE = timedelta(seconds=10)


class Overview:
    """Answers how monitors stand, with as many statements for all of them as for one."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def page(self, wanted: MonitorFilter, *, after: tuple[str, str] | None, limit: int) -> OverviewPage:
        """Monitors behind a group and name, at most `limit`.

        Raises:
            StatsTimeoutError: the database did not answer in time.
        """
        now = self._clock()
        starts = [now - length for length in OVERVIEW_WINDOWS.values()]
        async with limited_reading(self._database, patience=PATIENCE) as work:
            store = OverviewStore(work)
            totals = await store.count(wanted, now=now)
            items = await store.list_items(wanted, now=now, starts=starts, after=after, limit=limit + 1)
        return OverviewPage(items[:limit], totals, has_more=len(items) > limit)

    async def groups(self, wanted: MonitorFilter, *, label: str | None, limit: int) -> Sequence[OverviewGroup]:
        """How many monitors of each group, or of each value of a label, are in which state.

        Raises:
            StatsTimeoutError: the database did not answer in time.
        """
        async with limited_reading(self._database, patience=PATIENCE) as work:
            return await OverviewStore(work).count_groups(wanted, now=self._clock(), label=label, limit=limit)
