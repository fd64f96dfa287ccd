"""How long monitors were up, over windows that end now."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from uuid import UUID

from shared.clock import Clock
from shared.domain.monitor.standing import MonitorState
from shared.domain.monitor.uptime import Span, Uptime, Window, latest_spans
from shared.storage.database import Database
from shared.storage.monitor.span_store import KeptSpan, SpanStore, WatchedMonitor

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

    async def of(
        self, monitor_ids: Sequence[UUID], windows: Mapping[str, timedelta], *, now: datetime | None = None
    ) -> dict[UUID, dict[str, Uptime]]:
        """The uptimes of those monitors that there are, by the windows' names; one statement for all of them."""
        now = now or self._clock()
        starts = [now - length for length in windows.values()]
        async with self._database.one_statement() as work:
            found = await SpanStore(work).sum_up(monitor_ids, starts, now=now)
        return {monitor_id: dict(zip(windows, each, strict=True)) for monitor_id, each in found.items()}

    async def timeline(self, monitor_id: UUID, within: Window, *, limit: int) -> list[Span] | None:
        """The spans that reach into a window, the newest first; None when there is no such monitor.

        Silence that nobody has noted yet comes on top of `limit`.
        """
        async with self._database.transaction() as work:
            store = SpanStore(work)
            watched = await store.find(monitor_id)
            kept = [] if watched is None else await store.list_spans(monitor_id, within, limit=limit)
        return None if watched is None else self._tell(kept, watched)

    async def outages(self, monitor_id: UUID, within: Window, *, limit: int) -> list[Span] | None:
        """The spans of *down* that reach into a window, the newest first; None when there is no such monitor."""
        async with self._database.transaction() as work:
            store = SpanStore(work)
            watched = await store.find(monitor_id)
            kept = [] if watched is None else await store.list_outages(monitor_id, within, limit=limit)
        if watched is None:
            return None
        return [span for span in self._tell(kept, watched) if span.state is MonitorState.DOWN]

    def _tell(self, kept: Sequence[KeptSpan], watched: WatchedMonitor) -> list[Span]:
        now = self._clock()
        told: list[Span] = []
        for change, ended_at in ((each.change, each.ended_at) for each in kept):
            if ended_at is None:
                told += reversed(latest_spans(change, now=now, knowledge=watched.knowledge))
            else:
                told.append(Span(change.at, ended_at, change.state, change.code, change.message))
        return told
