"""Reads statistics: chooses series, then sums up samples, hours or days of them in the database."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import Any, NamedTuple

import asyncpg
import msgspec
from sqlalchemy import Row
from sqlalchemy.exc import DBAPIError

from shared.domain.sample.segments import Segment, Source
from shared.domain.sample.sketch import Sketch, decode_merged
from shared.domain.sample.statistics import MonitorKey, StatsQuery, StatsTimeoutError
from shared.domain.sample.summary import Summary
from shared.storage.database import Database, UnitOfWork
from shared.storage.sample.point_sql import VALUE, merged_sums, sketch_of, slots_with_sums, summary_of

_QUICK_SKETCHES = 500
_TABLES = {Source.HOUR: "rollup_1h", Source.DAY: "rollup_1d"}
_GROUPINGS = {
    "kind": "s.kind as kind, null::text as value, null::uuid as monitor_id, null::text as monitor_group",
    "target": "s.kind as kind, s.name as value, null::uuid as monitor_id, null::text as monitor_group",
    "label": "null::text as kind, s.labels->>$7::text as value, null::uuid as monitor_id, null::text as monitor_group",
    "monitor": "s.kind as kind, m.name as value, m.monitor_id as monitor_id, m.group_name as monitor_group",
}
_CHOSEN = "c as materialized (select * from unnest($1::int4[], $2::int4[], $3::int2[]) u(series_id, grp, place))"
_EPOCH = "timestamptz '1970-01-01 00:00:00+00'"
"""Buckets are counted from here; `date_bin` of no bucket is NULL, which stands for the whole window."""

_SAMPLES = """cross join lateral (
        select ts, outcome, value, extras from sample where series_id = c.series_id and ts >= $4 and ts < $5
        union all
        select ts, outcome, value, extras from sample_late where series_id = c.series_id and ts >= $4 and ts < $5
    ) s"""
_POINTS = f"""select c.grp, date_bin($6::interval, s.ts, {_EPOCH}) as bucket, s.ts, s.outcome, {VALUE} as v
    from c {_SAMPLES}"""


class Group(NamedTuple):
    """What the series of one group have in common."""

    kind: str | None
    value: str | None
    monitor: MonitorKey | None = None


class Cell(NamedTuple):
    """One group's bucket; `bucket` is None for the whole window."""

    group: int
    bucket: datetime | None


@dataclass(frozen=True, slots=True)
class Selection:
    """The chosen series: for each its id, the number of its group, and where its kind keeps the metric."""

    groups: tuple[Group, ...]
    series: tuple[Sequence[int], Sequence[int], Sequence[int]]
    is_truncated: bool

    @property
    def series_count(self) -> int:
        """How many series were chosen."""
        return len(self.series[0])


class StatisticsStore:
    """Statistics within a transaction that is limited in time."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def select_series(
        self, query: StatsQuery, places: Mapping[str, int], *, since: datetime, limit: int
    ) -> Selection:
        """Choose the series with samples since then, in at most `limit` groups; `places` says where kinds keep it."""
        rows = await self._work.fetch(
            f"""
            select {_GROUPINGS[query.group_by]}, array_agg(s.series_id order by s.series_id) as ids,
                   array_agg(p.place order by s.series_id) as places
            from series s join series_current using (series_id)
            join unnest($1::text[], $2::int2[]) p(kind, place) on p.kind = s.kind
            left join monitors m on m.series_id = s.series_id
            where series_current.ts >= $3 and ($4::text is null or s.name = $4) and s.labels @> $5::text::jsonb
              and ($7::text is null or s.labels->>$7::text is not null)
              and ($8::uuid[] is null or m.monitor_id = any($8)) and ($9::text is null or m.group_name = $9)
              and ($10::bool or m.monitor_id is not null)
            group by 1, 2, 3, 4 order by 4, 2, 1, 3 limit $6
            """,
            list(places),
            list(places.values()),
            since,
            query.target,
            msgspec.json.encode(dict(query.labels)).decode(),
            limit + 1,
            query.group_label,
            list(query.monitors) or None,
            query.group,
            query.group_by != "monitor",
        )
        shown = rows[:limit]
        numbers = [number for number, row in enumerate(shown) for _ in row.ids]
        series = list(chain.from_iterable(row.ids for row in shown))
        return Selection(
            groups=tuple(_group_of(row) for row in shown),
            series=(series, numbers, list(chain.from_iterable(row.places for row in shown))),
            is_truncated=len(rows) > limit,
        )

    async def read_summaries(
        self, selection: Selection, segment: Segment, *, bucket: timedelta | None
    ) -> list[tuple[Cell, Summary]]:
        """Sum up a segment with its sketches, from whichever source it names."""
        if segment.source is Source.RAW:
            return await self._summarise_samples(selection, segment, bucket)
        return await self._merge_rollups(selection, segment, bucket)

    async def _summarise_samples(
        self, selection: Selection, segment: Segment, bucket: timedelta | None
    ) -> list[tuple[Cell, Summary]]:
        rows = await self._work.fetch(
            f"""
            with {_CHOSEN}, points as (
                {_POINTS}
            ), {slots_with_sums("grp, bucket")}
            """,
            *selection.series,
            segment.start,
            segment.end,
            bucket,
        )
        return [(Cell(row.grp, row.bucket), summary_of(row, sketch_of(row))) for row in rows]

    async def _merge_rollups(
        self, selection: Selection, segment: Segment, bucket: timedelta | None
    ) -> list[tuple[Cell, Summary]]:
        rows = await self._work.fetch(
            f"""
            with {_CHOSEN}
            select c.grp, date_bin($6::interval, r.bucket, {_EPOCH}) as bucket, {merged_sums()}
            from c join {_TABLES[segment.source]} r
            on r.series_id = c.series_id and r.metric = c.place and r.bucket >= $4 and r.bucket < $5
            group by 1, 2
            """,
            *selection.series,
            segment.start,
            segment.end,
            bucket,
        )
        sketches = await _decode([row.sketches or () for row in rows])
        return [
            (Cell(row.grp, row.bucket), summary_of(row, sketch)) for row, sketch in zip(rows, sketches, strict=True)
        ]


def _group_of(row: Row[Any]) -> Group:
    if row.monitor_id is None:
        return Group(row.kind, row.value)
    return Group(row.kind, row.value, MonitorKey(row.monitor_id, row.monitor_group, row.value))


async def _decode(groups: Sequence[Sequence[bytes]]) -> list[Sketch]:
    """Decode here if it is quick, else in a thread: ten thousand sketches take some 10 ms, nobody else should wait."""
    if sum(map(len, groups)) < _QUICK_SKETCHES:
        return decode_merged(groups)
    return await asyncio.to_thread(decode_merged, groups)


@asynccontextmanager
async def limited_reading(
    database: Database, *, patience: timedelta, is_large: bool = False
) -> AsyncIterator[UnitOfWork]:
    """A transaction whose statements end after `patience` each.

    With `is_large` rows come from the driver itself, where SQLAlchemy would take as long as it does to decode them.

    Raises:
        StatsTimeoutError: one did not answer in time.
    """
    try:
        async with database.writing() if is_large else database.transaction() as work:
            # Plans are made for the arrays at hand: one for a single series would crawl through ten thousand.
            await work.run(
                "select set_config('statement_timeout', $1, true),"
                " set_config('plan_cache_mode', 'force_custom_plan', true)",
                f"{int(patience / timedelta(milliseconds=1))}ms",
            )
            yield work
    except (DBAPIError, asyncpg.QueryCanceledError) as error:
        if isinstance(error, DBAPIError) and not _is_cancelled(error):
            raise
        raise StatsTimeoutError("the statistics took too long; ask for a shorter window or fewer targets") from error


def _is_cancelled(error: DBAPIError) -> bool:
    return error.orig is not None and isinstance(error.orig.__cause__, asyncpg.QueryCanceledError)
