"""How long monitors were up, over windows that end now."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from types import MappingProxyType
from uuid import UUID

from shared.clock import Clock
from shared.domain.uptime import Uptime
from shared.storage.database import Database
from shared.storage.span_store import SpanStore

WINDOWS: Mapping[str, timedelta] = MappingProxyType(
    {
        "24h": timedelta(hours=24),
        "7d": timedelta(days=7),
        "30d": timedelta(days=30),
        "90d": timedelta(days=90),
        "365d": timedelta(days=365),
    }
)
"""The windows that can be asked for, by their names."""


class UptimeService:
    """Answers how long monitors were up."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def of(self, monitor_ids: Sequence[UUID], windows: Mapping[str, timedelta]) -> dict[UUID, dict[str, Uptime]]:
        """The uptimes of those monitors that there are, by the windows' names; one statement for all of them."""
        now = self._clock()
        starts = [now - length for length in windows.values()]
        async with self._database.transaction() as work:
            found = await SpanStore(work).sum_up(monitor_ids, starts, now=now)
        return {monitor_id: dict(zip(windows, each, strict=True)) for monitor_id, each in found.items()}
