"""Reads status timelines: how long monitors were in which state, and what one of them went through."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from shared.domain.monitor.standing import STATE_OF_CODE, MonitorState, StateChange, patience_of
from shared.domain.monitor.uptime import Knowledge, Uptime, Window
from shared.storage.database import UnitOfWork
from shared.storage.monitor.uptime_sql import CHOSEN_COLUMNS, SUMMED, uptimes

_NAMES = [str(state) for state in SUMMED]
_SECONDS = [f"{name}_seconds" for name in _NAMES]
_SECONDS = [f"{name}_seconds" for name in _NAMES]
_DOWN = MonitorState.DOWN.code


@dataclass(frozen=True, slots=True)
class WatchedMonitor:
    """What has to be known of a monitor to read its timeline."""

    created_at: datetime
    knowledge: Knowledge


@dataclass(frozen=True, slots=True)
class KeptSpan:
    """A span as it is kept; `ended_at` is None of the latest one."""

    change: StateChange
    ended_at: datetime | None


class SpanStore:
    """Reads timelines within one unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def sum_up(
        self, monitor_ids: Sequence[UUID] | None, starts: Sequence[datetime], *, now: datetime
    ) -> Mapping[UUID, Sequence[Uptime]]:
        """The uptimes of those monitors that there are, or of all, from each of the starts until now."""
        where = "true" if monitor_ids is None else "m.monitor_id = any($3::uuid[])"
        rows = await self._work.fetch(
            f"""
            with c as materialized (
                select {CHOSEN_COLUMNS} from monitors m join monitor_states s using (monitor_id) where {where}
            ), {uptimes(is_of_all=monitor_ids is None)}
            select monitor_id, whole, {", ".join(_NAMES)}, outages from uptimes order by monitor_id, place
            """,
            now,
            list(starts),
            *([] if monitor_ids is None else [list(monitor_ids)]),
        )
        found: dict[UUID, list[Uptime]] = {}
        for row in rows:
            found.setdefault(row[0], []).append(_uptime_of(row))
        return found

    async def find(self, monitor_id: UUID) -> WatchedMonitor | None:
        """The monitor whose timeline is to be read."""
        rows = await self._work.fetch(
            """
            select created_at, covered_until, interval_ms from monitors join monitor_states using (monitor_id)
            where monitor_id = $1
            """,
            monitor_id,
        )
        if not rows:
            return None
        interval_ms = rows[0].interval_ms
        interval = None if interval_ms is None else timedelta(milliseconds=interval_ms)
        return WatchedMonitor(rows[0].created_at, Knowledge(rows[0].covered_until, patience_of(interval)))

    async def list_spans(self, monitor_id: UUID, within: Window, *, limit: int) -> list[KeptSpan]:
        """The spans that reach into the window, the newest first."""
        return await self._list(
            f"""
            select s.*, {_end_of("true")} as ended_at from state_spans s
            where monitor_id = $1 and started_at < $3 and started_at >= coalesce((
                select max(started_at) from state_spans where monitor_id = $1 and started_at <= $2), $2)
            order by started_at desc limit $4
            """,
            monitor_id,
            within,
            limit,
        )

    async def list_outages(self, monitor_id: UUID, within: Window, *, limit: int) -> list[KeptSpan]:
        """The spans of *down* that reach into the window, the newest first; those that touch are one."""
        begin = f"monitor_id = $1 and state = {_DOWN} and previous_state is distinct from {_DOWN}"
        return await self._list(
            f"""
            select * from (
                select s.*, {_end_of(f"n.state <> {_DOWN}")} as ended_at from state_spans s
                where {begin} and started_at < $3 and started_at >= coalesce((
                    select max(started_at) from state_spans where {begin} and started_at <= $2), $2)) s
            where ended_at is null or ended_at > $2 order by started_at desc limit $4
            """,
            monitor_id,
            within,
            limit,
        )

    async def _list(self, statement: str, monitor_id: UUID, within: Window, limit: int) -> list[KeptSpan]:
        rows = await self._work.fetch(statement, monitor_id, within.start, within.end, limit)
        return [
            KeptSpan(StateChange(row.started_at, STATE_OF_CODE[row.state], row.code, row.message), row.ended_at)
            for row in rows
        ]


def _end_of(condition: str) -> str:
    """The moment of the next span of which the condition holds."""
    return f"""(select started_at from state_spans n where n.monitor_id = s.monitor_id
        and n.started_at > s.started_at and {condition} order by started_at limit 1)"""


def _uptime_of(row: Sequence[Any]) -> Uptime:
    # By position: by name it would be half of what ten thousand of them cost.
    _, whole, *micros, outages = row
    # What no change and no edge accounts for lies before the first change, or is of a monitor that waits.
    seconds = {name: each / 1e6 for name, each in zip(_SECONDS, micros, strict=True)}
    return Uptime(**seconds, pending_seconds=(whole - sum(micros)) / 1e6, outages=outages)
