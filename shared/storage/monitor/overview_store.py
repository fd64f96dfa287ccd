"""Reads how monitors stand, any number of them in one statement."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from shared.domain.monitor.overview import OverviewGroup, OverviewItem, Shares, Totals
from shared.domain.monitor.standing import MISSED, MonitorState
from shared.storage.database import UnitOfWork
from shared.storage.monitor.monitor_filter import MonitorFilter, terms_of
from shared.storage.monitor.uptime_sql import CHOSEN_COLUMNS, IS_SILENT, SINCE_NOW, STATE_NOW, uptimes

MANY = 2_000
"""From so many monitors on the changes of all are read at once, in the order of time."""

_OF_EACH = ", ".join(f"count(*) filter (where state = {state.code}) as {state}" for state in MonitorState)
_JUDGED = "nullif(up + degraded + down, 0)"
_RATIO = f"(up + degraded) / {_JUDGED}"
_WATCHED = "whole - paused - maintenance"
_COVERAGE = f"(up + degraded + down) / nullif({_WATCHED}, 0)"
_TABLES = "monitors m join monitor_states s on s.monitor_id = m.monitor_id"


@dataclass(frozen=True, slots=True)
class ChosenMonitors:
    """Those that are wanted, behind a group and name, at most `limit` in the order of groups and names."""

    wanted: MonitorFilter
    after: tuple[str, str] | None
    limit: int


class OverviewStore:
    """Reads within one unit of work; as many statements for a hundred thousand monitors as for one."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def list_items(self, chosen: ChosenMonitors, *, now: datetime) -> list[OverviewItem]:
        """How they stand, in their order."""
        where, values = terms_of(chosen.wanted, now=now, after=chosen.after)
        # Of ten thousand monitors a sort takes more than a statement may use unless told.
        await self._work.run("select set_config('work_mem', '32MB', true)")
        rows = await self._work.fetch(
            f"""
            select m.monitor_id::text, m.group_name, m.name, m.kind, m.labels::text, {STATE_NOW}, {SINCE_NOW},
                   case when {IS_SILENT} then '{MISSED}' else s.code end,
                   s.sampled_at, s.outcome, s.duration_ms, s.beats
            from {_TABLES} where {where} order by m.group_name, m.name limit ${len(values) + 1}
            """,
            *values,
            chosen.limit,
        )
        # By position: by name it would be half of what ten thousand of them cost.
        return [OverviewItem._make(row) for row in rows]

    async def list_shares(
        self, chosen: ChosenMonitors, *, now: datetime, starts: Sequence[datetime]
    ) -> dict[str, Shares]:
        """Their uptimes from each of the starts until now."""
        where, values = terms_of(chosen.wanted, now=now, after=chosen.after)
        place = len(values)
        rows = await self._work.fetch(
            f"""
            with c as materialized (
                select {CHOSEN_COLUMNS} from {_TABLES} where {where}
                order by m.group_name, m.name limit ${place + 2}
            ), {uptimes(starts=f"${place + 1}", is_of_all=chosen.limit > MANY)}
            select monitor_id::text, {_shares_of(len(starts))} from uptimes group by monitor_id
            """,
            *values,
            list(starts),
            chosen.limit,
        )
        return {row[0]: Shares(row[1::2], row[2::2]) for row in rows}

    async def count(self, wanted: MonitorFilter, *, now: datetime) -> Totals:
        """How many monitors are in each state, all states counted."""
        where, values = terms_of(replace(wanted, states=frozenset()), now=now)
        rows = await self._work.fetch(
            f"select {_OF_EACH} from (select {STATE_NOW} as state from {_TABLES} where {where}) s", *values
        )
        return _totals_of(rows[0])

    async def count_groups(
        self, wanted: MonitorFilter, *, now: datetime, label: str | None, limit: int
    ) -> list[OverviewGroup]:
        """The same for each group, or for each value of a label, in their order; at most `limit`."""
        where, values = terms_of(wanted, now=now)
        value = "m.group_name" if label is None else f"m.labels ->> ${len(values) + 2}::text"
        rows = await self._work.fetch(
            f"""
            select value, {_OF_EACH}
            from (select {value} as value, {STATE_NOW} as state from {_TABLES} where {where}) s
            where value is not null group by value order by value limit ${len(values) + 1}
            """,
            *values,
            limit,
            *([] if label is None else [label]),
        )
        return [OverviewGroup(row.value, _totals_of(row)) for row in rows]


def _shares_of(windows: int) -> str:
    """Each window's two shares as columns: gathered into arrays they would have to be sorted first."""
    return ", ".join(
        f"max({share}) filter (where place = {place}) as {name}_{place}"
        for place in range(1, windows + 1)
        for name, share in (("ratio", _RATIO), ("coverage", _COVERAGE))
    )


def _totals_of(row: Row[Any]) -> Totals:
    return {state: getattr(row, state.value) for state in MonitorState}
