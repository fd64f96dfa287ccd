"""Reads coverage: of all monitors that are wanted, and of one page of them, with one statement."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from shared.domain.monitor.coverage import Coverage, CoverageOrder, MonitorCoverage, SchedulerState
from shared.domain.monitor.slots import GapReason
from shared.domain.monitor.uptime import Window
from shared.domain.sample.segments import Segment
from shared.storage.database import UnitOfWork
from shared.storage.monitor.coverage_sql import COUNTS, closed_sums, counted, missed, pending
from shared.storage.monitor.monitor_filter import MonitorFilter, terms_of

Place = tuple[float, str] | tuple[str, str]
"""Behind which monitor a page begins: share and id, or group and name."""

_ORDERS = {
    CoverageOrder.WORST: ("share, monitor_id::text", "float8"),
    CoverageOrder.NAME: ("group_name, name", "text"),
}
_COLLECTED = "on_time + late"
_ASKED = f"{_COLLECTED} + error + {' + '.join(f'missed_{r.value}' for r in GapReason if r is not GapReason.PAUSED)}"


@dataclass(frozen=True, slots=True)
class CoverageQuestion:
    """Whose coverage is asked for, and which page of them; `monitor_id` asks for one alone."""

    wanted: MonitorFilter
    monitor_id: UUID | None
    order: CoverageOrder
    after: Place | None
    limit: int

    @property
    def is_of_all(self) -> bool:
        """Whether all monitors are asked for."""
        return self.monitor_id is None and self.wanted == MonitorFilter()


@dataclass(frozen=True, slots=True)
class ClosedSums:
    """Slots with a sample in hours and days that are computed, all arrays in the same order of series."""

    series_ids: Sequence[int] = ()
    counts: Sequence[int] = ()
    errors: Sequence[int] = ()
    late: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class CoveragePage:
    """How many monitors were asked for, what became of their slots, and a page of them with the place of each."""

    monitors: int
    total: Coverage
    items: Sequence[tuple[MonitorCoverage, Place]]


class CoverageStore:
    """Reads coverage within one unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def read(
        self, question: CoverageQuestion, segments: Sequence[Segment], closed: ClosedSums, window: Window
    ) -> CoveragePage:
        """What became of the slots of a window; monitors without a schedule have none.

        A question of all monitors needs the sums of what is `closed`, and its segments are those that are not.
        """
        statement, values = _statement(question, segments, closed, window)
        rows = await self._work.fetch(statement, *values)
        page = [
            (
                MonitorCoverage(row.monitor_id, row.group_name, row.name, _coverage_of(row)),
                _place_of(row, question.order),
            )
            for row in rows[1:]
        ]
        return CoveragePage(rows[0].monitors, _coverage_of(rows[0]), page)

    async def sum_up(self, segments: Sequence[Segment]) -> ClosedSums:
        """The sums of hours and days, of all series."""
        values = [moment for segment in segments for moment in (segment.start, segment.end)]
        # As arrays they are read without a row each.
        rows = await self._work.fetch(
            f"""
            select coalesce(array_agg(series_id), '{{}}') as series_ids, coalesce(array_agg(n), '{{}}') as n,
                   coalesce(array_agg(error), '{{}}') as error, coalesce(array_agg(late), '{{}}') as late
            from ({closed_sums(segments)}) sums
            """,
            *values,
        )
        return ClosedSums(*(array("q", column) for column in rows[0]))

    async def read_scheduler(self) -> SchedulerState:
        """How the schedule itself stands."""
        rows = await self._work.fetch("select ran_at, overloaded_since from scheduler")
        return SchedulerState(rows[0].ran_at, rows[0].overloaded_since) if rows else SchedulerState(None, None)


def _statement(
    question: CoverageQuestion, segments: Sequence[Segment], closed: ClosedSums, window: Window
) -> tuple[str, list[object]]:
    # The filter's first value is the moment, here the end of the window.
    terms, values = terms_of(question.wanted, now=window.end)
    if question.monitor_id is not None:
        values.append(question.monitor_id)
        terms += f" and m.monitor_id = ${len(values)}::uuid"
    values.append(window.start)
    moments = {"start": f"${len(values)}::timestamptz", "end": "$1::timestamptz"}
    sums = counted(segments, first_place=len(values) + 1, of_all=question.is_of_all)
    values += [moment for segment in segments for moment in (segment.start, segment.end)]
    if question.is_of_all:
        values += [closed.series_ids, closed.counts, closed.errors, closed.late]
    behind, order_by = _page(question, values)
    return (
        f"""
        with w as materialized (
            select m.monitor_id, m.series_id, m.group_name, m.name, m.kind, m.interval_ms
            from monitors m join schedules c on c.monitor_id = m.monitor_id where {terms}
        ), {sums}, {missed(**moments)}, {pending(**moments)}, counts as (
            select w.monitor_id, w.group_name, w.name, coalesce(s.n - s.error - s.late, 0) as on_time,
                   coalesce(s.late, 0) as late, coalesce(s.error, 0) as error, coalesce(p.pending, 0) as pending,
                   {", ".join(f"coalesce(g.{name}, 0) as {name}" for name in COUNTS if name.startswith("missed_"))}
            from w left join sums s using (series_id) left join missed g using (monitor_id)
            left join pending p using (monitor_id)
        ), shares as materialized (
            select *, coalesce(({_COLLECTED})::float8 / nullif({_ASKED}, 0), 1) as share from counts
        )
        select * from (
            (select null::uuid as monitor_id, null as group_name, null as name, null::float8 as share,
                    count(*) as monitors, {", ".join(f"coalesce(sum({name}), 0)::int8 as {name}" for name in COUNTS)}
             from shares)
            union all
            (select monitor_id, group_name, name, share, 0, {", ".join(COUNTS)} from shares {behind}
             order by {order_by} limit ${len(values)})
        ) told order by monitor_id is not null, {order_by}
        """,
        values,
    )


def _page(question: CoverageQuestion, values: list[object]) -> tuple[str, str]:
    """Which monitors are on the page, and their order; its values are appended, the limit is the last."""
    names, kind = _ORDERS[question.order]
    behind = ""
    if question.after is not None:
        behind = f"where ({names}) > (${len(values) + 1}::{kind}, ${len(values) + 2}::text)"
        values += question.after
    values.append(question.limit)
    return behind, names


def _place_of(row: Row[Any], order: CoverageOrder) -> Place:
    return (row.group_name, row.name) if order is CoverageOrder.NAME else (row.share, str(row.monitor_id))


def _coverage_of(row: Row[Any]) -> Coverage:
    return Coverage(
        on_time=row.on_time,
        late=row.late,
        error=row.error,
        pending=row.pending,
        missed={reason: row._mapping[f"missed_{reason.value}"] for reason in GapReason},  # noqa: SLF001 - public in SQLAlchemy
    )
