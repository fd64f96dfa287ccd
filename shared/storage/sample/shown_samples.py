"""Reads samples to be shown or exported: one by one, with their metrics by name and their notes."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

import msgspec

from shared.domain.sample.monitor_samples import SeriesInfo, ShownSample
from shared.domain.sample.sample_columns import SampleColumns, moment_at
from shared.domain.target.kinds import METRICS
from shared.domain.target.outcome import OUTCOME_OF_CODE
from shared.storage.database import UnitOfWork
from shared.storage.sample.chunk_store import SeriesDay
from shared.storage.sample.sample_reading import SampleWindow, read_samples

Notes: TypeAlias = Mapping[tuple[int, datetime], tuple[str | None, str | None]]
"""Code and message of samples, by series and moment."""

_NOTHING = (None, None)


class ShownSampleStore:
    """Samples to be shown, within one transaction that sees one state of all tables."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def find_series(self, monitor_id: UUID) -> SeriesInfo | None:
        """The series of a monitor, if there is such a monitor."""
        rows = await self._work.fetch(
            "select series_id, kind, name, group_name from monitors where monitor_id = $1", monitor_id
        )
        if not rows:
            return None
        row = rows[0]
        return SeriesInfo(row.series_id, row.kind, row.name, row.group_name, monitor_id)

    async def list_series(
        self,
        *,
        monitors: Sequence[UUID],
        group: str | None,
        labels: Mapping[str, str],
        after: int,
        limit: int,
    ) -> list[SeriesInfo]:
        """Series behind `after`, ascending, of those monitors, or of all and of jobs' targets where none is named."""
        rows = await self._work.fetch(
            """
            select s.series_id, s.kind, coalesce(m.name, s.name) as name, coalesce(m.group_name, '') as group_name,
                   s.monitor_id
            from series s left join monitors m on m.series_id = s.series_id
            where s.series_id > $1 and ($2::uuid[] is null or m.monitor_id = any($2))
              and ($3::text is null or m.group_name = $3) and s.labels @> $4::text::jsonb
            order by s.series_id limit $5
            """,
            after,
            list(monitors) or None,
            group,
            msgspec.json.encode(dict(labels)).decode(),
            limit,
        )
        return [SeriesInfo(row.series_id, row.kind, row.name, row.group_name, row.monitor_id) for row in rows]

    async def newest(self, series: SeriesInfo, window: SampleWindow, *, limit: int) -> list[ShownSample]:
        """At most `limit` samples in the window, the newest first."""
        start = await self._start_of_newest(series.series_id, window, limit)
        part = SampleWindow(start, window.end, window.chunked_until)
        samples = (await read_samples(self._work, [series.series_id], part)).get(series.series_id)
        if samples is None:
            return []
        newest = samples.last(limit)
        first = moment_at(int(newest.moments[0]))
        notes = await self.notes_between([series.series_id], first, window.end)
        return shown(series, newest, notes)[::-1]

    async def _start_of_newest(self, series_id: int, window: SampleWindow, limit: int) -> datetime:
        """A moment from which on there are as many samples as asked for, and not many more."""
        rows = await self._work.fetch(
            "select ts from sample where series_id = $1 and ts >= $2 and ts < $3 order by ts desc offset $4 limit 1",
            series_id,
            *window.rows,
            limit - 1,
        )
        if rows:
            found: datetime = rows[0].ts
            return found
        if not window.has_packed:
            return window.start
        first, last = window.packed_days
        days = await self._work.fetch(
            "select day, samples from sample_chunk where series_id = $1 and day >= $2 and day <= $3"
            " order by day desc limit $4",
            series_id,
            first,
            last,
            limit + 1,
        )
        total = 0
        for row in days:
            # The last day may be cut by the window, so that not all of its samples count.
            total += row.samples if row.day < last else 0
            if total >= limit:
                return max(window.start, SeriesDay(series_id, row.day).start)
        return window.start

    async def sizes(self, series: Sequence[int], window: SampleWindow) -> dict[int, int]:
        """About how many samples each of the series has in the window, where it has any: packed ones by whole days."""
        sizes: Counter[int] = Counter()
        if window.has_packed:
            rows = await self._work.fetch(
                "select series_id, sum(samples)::int8 as samples from sample_chunk"
                " where series_id = any($1::int4[]) and day >= $2 and day <= $3 group by 1",
                list(series),
                *window.packed_days,
            )
            sizes.update({row.series_id: row.samples for row in rows})
        if window.rows[0] < window.end:
            rows = await self._work.fetch(
                """
                select k.series_id, c.samples from unnest($1::int4[]) k(series_id) cross join lateral (
                    select count(*) as samples from sample where series_id = k.series_id and ts >= $2 and ts < $3
                ) c
                """,
                list(series),
                *window.rows,
            )
            sizes.update({row.series_id: row.samples for row in rows})
        return dict(sizes)

    async def notes_between(self, series: Sequence[int], start: datetime, end: datetime) -> Notes:
        """The notes of some series from a moment to another, that one not included."""
        if not series:
            return {}
        rows = await self._work.fetch(
            "select series_id, ts, code, message from sample_note"
            " where series_id = any($1::int4[]) and ts >= $2 and ts < $3",
            list(series),
            start,
            end,
        )
        return {(row.series_id, row.ts): (row.code, row.message) for row in rows}


def shown(series: SeriesInfo, samples: SampleColumns, notes: Notes) -> list[ShownSample]:
    """The samples of a series one by one, in the order of their times."""
    names = dict(enumerate(METRICS.get(series.kind, ()), start=1))
    columns = [(names[place], column.tolist()) for place, column in sorted(samples.values.items()) if place in names]
    durations = samples.values_at(0).tolist()
    found = []
    for index, (moment, outcome) in enumerate(zip(samples.moments.tolist(), samples.outcomes.tolist(), strict=True)):
        at = moment_at(moment)
        code, message = notes.get((series.series_id, at), _NOTHING)
        metrics = {name: column[index] for name, column in columns if not math.isnan(column[index])}
        duration = None if math.isnan(durations[index]) else durations[index]
        found.append(ShownSample(at, OUTCOME_OF_CODE[outcome], duration, metrics, code, message))
    return found
