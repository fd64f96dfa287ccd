"""Statistics over samples: exact from single samples where that is cheap, else from roll-ups with their sketches."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from shared.domain.segments import HOUR, Segment, plan_raw, plan_segments
from shared.domain.sketch import ALPHA
from shared.domain.statistics import (
    Figures,
    StatsAnswer,
    StatsBucket,
    StatsItem,
    StatsQuery,
    check_query,
    is_rolled_up,
    metric_positions,
)
from shared.domain.summary import Summary
from shared.storage.database import Database
from shared.storage.rollup_state import read_rollup_state
from shared.storage.statistics_store import Cell, Group, Selection, StatisticsStore, limited_reading

PATIENCE = timedelta(seconds=10)
MAX_GROUPS = 1_000
MAX_CELLS = 100_000
"""The most buckets of all groups together."""

MAX_EXACT = 10_000
"""Up to so many samples percentiles are exact: reading and sorting them takes about 10 ms."""


@dataclass(frozen=True, slots=True)
class _Found:
    """The figures of each cell that has samples, and how they were come by."""

    figures: Mapping[Cell, Figures]
    is_exact: bool


class Statistics:
    """Answers questions about many samples."""

    def __init__(self, database: Database, *, max_exact: int = MAX_EXACT, max_groups: int = MAX_GROUPS) -> None:
        self._database = database
        self._max_exact = max_exact
        self._max_groups = max_groups

    async def query(self, query: StatsQuery) -> StatsAnswer:
        """Answer; bounded in groups, buckets and time.

        Raises:
            StatsQueryError: the question has no answer; the message says why.
            StatsTimeoutError: it would take too long.
        """
        check_query(query)
        places = metric_positions(query.metric, query.kind)
        async with limited_reading(self._database, patience=PATIENCE) as work:
            store = StatisticsStore(work)
            horizon = await read_rollup_state(work)
            raw = plan_raw(query.start, query.end, horizon=horizon)
            segments = raw
            if is_rolled_up(query.metric, places):
                segments = plan_segments(query.start, query.end, horizon=horizon, bucket=query.bucket)
            since = segments[0].start if segments else query.end
            selection = await store.select_series(query, places, since=since, limit=self._most_groups(query))
            is_whole = horizon.samples_from <= query.start
            if is_whole and await self._is_small(store, selection, raw):
                found = await _read_exact(store, selection, raw, query)
            else:
                found = await _read_summaries(store, selection, segments, query)
        return _answer(query, selection, segments, found=found)

    def _most_groups(self, query: StatsQuery) -> int:
        if query.bucket is None:
            return self._max_groups
        return max(1, min(self._max_groups, int(MAX_CELLS / ((query.end - query.start) / query.bucket + 1))))

    async def _is_small(self, store: StatisticsStore, selection: Selection, raw: Sequence[Segment]) -> bool:
        """Whether the samples themselves can be read; where one an hour would be too many, they are not counted."""
        if not raw or not selection.series_count:
            return True
        if selection.series_count * ((raw[0].end - raw[0].start) / HOUR) > self._max_exact:
            return False
        return await store.count_up_to(selection, raw[0], limit=self._max_exact + 1) <= self._max_exact


async def _read_exact(
    store: StatisticsStore, selection: Selection, raw: Sequence[Segment], query: StatsQuery
) -> _Found:
    if not raw or not selection.series_count:
        return _Found({}, is_exact=True)
    fractions = [percentile / 100 for percentile in query.percentiles]
    cells = await store.read_exact(selection, raw[0], bucket=query.bucket, fractions=fractions)
    figures = {cell: summary.figures_with(values, query.percentiles) for cell, (summary, values) in cells.items()}
    return _Found(figures, is_exact=True)


async def _read_summaries(
    store: StatisticsStore, selection: Selection, segments: Sequence[Segment], query: StatsQuery
) -> _Found:
    parts: dict[Cell, list[Summary]] = defaultdict(list)
    for segment in segments:
        for cell, summary in await store.read_summaries(selection, segment, bucket=query.bucket):
            parts[cell].append(summary)
    cells = {cell: Summary.merged(summaries) for cell, summaries in parts.items()}
    if query.bucket is not None:
        cells |= _whole_windows(cells)
    return _Found({cell: summary.figures(query.percentiles) for cell, summary in cells.items()}, is_exact=False)


def _whole_windows(cells: Mapping[Cell, Summary]) -> dict[Cell, Summary]:
    """The summary of all buckets of each group."""
    groups: dict[int, list[Summary]] = defaultdict(list)
    for cell, summary in cells.items():
        groups[cell.group].append(summary)
    return {Cell(group, None): Summary.merged(summaries) for group, summaries in groups.items()}


def _answer(query: StatsQuery, selection: Selection, segments: Sequence[Segment], *, found: _Found) -> StatsAnswer:
    buckets: dict[int, list[StatsBucket]] = defaultdict(list)
    for (group_number, start), figures in found.figures.items():
        if start is not None:
            buckets[group_number].append(StatsBucket(start, figures))
    items = [
        _item(query, group, figures=found.figures[Cell(number, None)], buckets=buckets[number])
        for number, group in enumerate(selection.groups)
        if Cell(number, None) in found.figures
    ]
    return StatsAnswer(
        items=tuple(items),
        metric=query.metric,
        start=segments[0].start if segments else query.start,
        end=segments[-1].end if segments else query.end,
        percentiles="exact" if found.is_exact else "approximate",
        error=0.0 if found.is_exact else ALPHA,
        is_truncated=selection.is_truncated,
    )


def _item(query: StatsQuery, group: Group, *, figures: Figures, buckets: Sequence[StatsBucket]) -> StatsItem:
    return StatsItem(
        kind=group.kind,
        target=group.value if query.group_by == "target" else None,
        label=group.value if query.group_by == "label" else None,
        figures=figures,
        buckets=tuple(sorted(buckets, key=lambda bucket: bucket.start)),
    )
