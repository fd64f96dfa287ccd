"""How all monitors stand, at one look."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType

from shared.clock import Clock
from shared.domain.monitor.overview import OverviewGroup, OverviewItem, OverviewPage, Shares, Totals
from shared.services.monitor.uptime import WINDOWS
from shared.storage.database import Database
from shared.storage.monitor.monitor_filter import MonitorFilter
from shared.storage.monitor.overview_store import ChosenMonitors, OverviewStore
from shared.storage.sample.statistics_store import limited_reading

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
        chosen = ChosenMonitors(wanted, after, limit + 1)
        # Over two connections: both take as long, and the one's rows are read while the other is computed.
        (totals, items), shares = await asyncio.gather(
            self._read_items(chosen, now=now), self._read_shares(chosen, now=now)
        )
        return OverviewPage(items[:limit], shares, totals, has_more=len(items) > limit)

    async def _read_items(self, chosen: ChosenMonitors, *, now: datetime) -> tuple[Totals, list[OverviewItem]]:
        async with limited_reading(self._database, patience=PATIENCE, is_large=True) as work:
            store = OverviewStore(work)
            return await store.count(chosen.wanted, now=now), await store.list_items(chosen, now=now)

    async def _read_shares(self, chosen: ChosenMonitors, *, now: datetime) -> dict[str, Shares]:
        starts = [now - length for length in OVERVIEW_WINDOWS.values()]
        async with limited_reading(self._database, patience=PATIENCE, is_large=True) as work:
            return await OverviewStore(work).list_shares(chosen, now=now, starts=starts)

    async def groups(self, wanted: MonitorFilter, *, label: str | None, limit: int) -> Sequence[OverviewGroup]:
        """How many monitors of each group, or of each value of a label, are in which state.

        Raises:
            StatsTimeoutError: the database did not answer in time.
        """
        async with limited_reading(self._database, patience=PATIENCE) as work:
            return await OverviewStore(work).count_groups(wanted, now=self._clock(), label=label, limit=limit)
