"""Statistics over samples: exact from the samples themselves where that is quick, else from roll-ups with sketches."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.domain.sample.answering import PATIENT, QUICK, Limits, Question, Way, choose_way
from shared.domain.sample.exact_figures import MetricColumns, exact_figures
from shared.domain.sample.sample_columns import SampleColumns
from shared.domain.sample.segments import HOUR, Horizon, Segment, plan_raw, plan_segments
from shared.domain.sample.sketch import ALPHA
from shared.domain.sample.statistics import (
    Figures,
    StatsAnswer,
    StatsBucket,
    StatsItem,
    StatsQuery,
    StatsTimeoutError,
    check_query,
    is_rolled_up,
    metric_positions,
)
from shared.domain.sample.summary import Summary
from shared.storage.database import Database, UnitOfWork
from shared.storage.sample.rollup_state import read_rollup_state
from shared.storage.sample.sample_reading import SampleWindow, coherent_reading, is_within, read_samples
from shared.storage.sample.statistics_store import Cell, Group, Selection, StatisticsStore

PATIENCE = timedelta(seconds=10)
MAX_GROUPS = 1_000
MAX_CELLS = 100_000
"""The most buckets of all groups together."""

_QUICK_SAMPLES = 100_000
"""So many are sorted and summed in some 10 ms; more are left to a thread, so that nobody else waits."""


@dataclass(frozen=True, slots=True)
class _Found:
    """The figures of each cell that has samples, and how they were come by."""

    figures: Mapping[Cell, Figures]
    segments: Sequence[Segment]
    is_exact: bool


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question, what is known of it before any sample is read, and the series that it is about."""

    query: StatsQuery
    horizon: Horizon
    can_be_rolled_up: bool
    selection: Selection

    @property
    def window(self) -> SampleWindow:
        """The window, as far back as samples are kept."""
        return SampleWindow.of(self.query.start, self.query.end, horizon=self.horizon)


class Statistics:
    """Answers questions about many samples.

    `quick` limits what is read to answer exactly where roll-ups would do, `patient` where nothing else would.
    """

    def __init__(
        self, database: Database, *, quick: Limits = QUICK, patient: Limits = PATIENT, max_groups: int = MAX_GROUPS
    ) -> None:
        self._database = database
        self._quick = quick
        self._patient = patient
        self._max_groups = max_groups

    async def query(self, query: StatsQuery) -> StatsAnswer:
        """Answer; bounded in groups, buckets and time.

        Raises:
            StatsQueryError: the question has no answer; the message says why.
            StatsTimeoutError: it would take too long.
        """
        check_query(query)
        places = metric_positions(query.metric, query.kind)
        can_be_rolled_up = is_rolled_up(query.metric, places) and not (query.bucket and query.bucket % HOUR)
        async with coherent_reading(self._database, patience=PATIENCE) as work:
            horizon = await read_rollup_state(work)
            since = _first_moment(query, horizon, can_be_rolled_up=can_be_rolled_up)
            selection = await StatisticsStore(work).select_series(
                query, places, since=since, limit=self._most_groups(query)
            )
            asked = _Asked(query, horizon, can_be_rolled_up, selection)
            found = await self._find(work, asked)
        return _answer(query, selection, found)

    def _most_groups(self, query: StatsQuery) -> int:
        if query.bucket is None:
            return self._max_groups
        return max(1, min(self._max_groups, int(MAX_CELLS / ((query.end - query.start) / query.bucket + 1))))

    async def _find(self, work: UnitOfWork, asked: _Asked) -> _Found:
        """Choose the way, and go it."""
        match choose_way(await self._weigh(work, asked)):
            case Way.SAMPLES:
                return await _read_exact(work, asked)
            case Way.ROLL_UPS:
                return await _read_summaries(work, asked, _rolled_up_segments(asked.query, asked.horizon))
            case Way.ROWS:
                raw = plan_raw(asked.query.start, asked.query.end, horizon=asked.horizon)
                return await _read_summaries(work, asked, raw)
            case Way.NONE:
                raise StatsTimeoutError(
                    "there are too many samples to be read one by one; ask for a shorter window, fewer targets,"
                    " or duration_ms in buckets of whole hours"
                )

    async def _weigh(self, work: UnitOfWork, asked: _Asked) -> Question:
        limits = self._quick if asked.can_be_rolled_up else self._patient
        return Question(
            can_be_rolled_up=asked.can_be_rolled_up,
            is_kept_whole=asked.horizon.samples_from <= asked.query.start,
            is_small=await is_within(work, asked.selection.series[0], asked.window, limits),
            has_packed=asked.window.has_packed,
        )


def _rolled_up_segments(query: StatsQuery, horizon: Horizon) -> tuple[Segment, ...]:
    """Days and hours, and rows at the edges; where samples are packed the edge is widened, not unpacked."""
    rows_only = replace(horizon, samples_from=max(horizon.samples_from, horizon.chunked_until))
    return plan_segments(query.start, query.end, horizon=rows_only, bucket=query.bucket)


def _first_moment(query: StatsQuery, horizon: Horizon, *, can_be_rolled_up: bool) -> datetime:
    """The first moment of which anything may be read."""
    raw = plan_raw(query.start, query.end, horizon=horizon)
    segments = [*raw, *(_rolled_up_segments(query, horizon) if can_be_rolled_up else ())]
    return min((segment.start for segment in segments), default=query.end)


async def _read_exact(work: UnitOfWork, asked: _Asked) -> _Found:
    query, window = asked.query, asked.window
    raw = plan_raw(query.start, query.end, horizon=asked.horizon)
    ids, groups, places = asked.selection.series
    if not raw or not ids:
        return _Found({}, raw, is_exact=True)
    samples = await read_samples(work, ids, window, places=sorted(set(places)))
    columns: dict[int, list[MetricColumns]] = defaultdict(list)
    for series_id, group, place in zip(ids, groups, places, strict=True):
        if series_id in samples:
            columns[group].append(MetricColumns(samples[series_id], place))
    return _Found(await _compute(query, columns, samples), raw, is_exact=True)


async def _compute(
    query: StatsQuery, columns: Mapping[int, Sequence[MetricColumns]], samples: Mapping[int, SampleColumns]
) -> dict[Cell, Figures]:
    def compute() -> dict[Cell, Figures]:
        return {
            Cell(group, start): figures
            for group, series in columns.items()
            for start, figures in exact_figures(series, bucket=query.bucket, percentiles=query.percentiles).items()
        }

    if sum(map(len, samples.values())) > _QUICK_SAMPLES:
        return await asyncio.to_thread(compute)
    return compute()


async def _read_summaries(work: UnitOfWork, asked: _Asked, segments: Sequence[Segment]) -> _Found:
    query, store = asked.query, StatisticsStore(work)
    parts: dict[Cell, list[Summary]] = defaultdict(list)
    for segment in segments:
        for cell, summary in await store.read_summaries(asked.selection, segment, bucket=query.bucket):
            parts[cell].append(summary)
    cells = {cell: Summary.merged(summaries) for cell, summaries in parts.items()}
    if query.bucket is not None:
        cells |= _whole_windows(cells)
    return _Found(
        {cell: summary.figures(query.percentiles) for cell, summary in cells.items()}, segments, is_exact=False
    )


def _whole_windows(cells: Mapping[Cell, Summary]) -> dict[Cell, Summary]:
    """The summary of all buckets of each group."""
    groups: dict[int, list[Summary]] = defaultdict(list)
    for cell, summary in cells.items():
        groups[cell.group].append(summary)
    return {Cell(group, None): Summary.merged(summaries) for group, summaries in groups.items()}


def _answer(query: StatsQuery, selection: Selection, found: _Found) -> StatsAnswer:
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
        start=found.segments[0].start if found.segments else query.start,
        end=found.segments[-1].end if found.segments else query.end,
        percentiles="exact" if found.is_exact else "approximate",
        error=0.0 if found.is_exact else ALPHA,
        is_truncated=selection.is_truncated,
    )


def _item(query: StatsQuery, group: Group, *, figures: Figures, buckets: Sequence[StatsBucket]) -> StatsItem:
    return StatsItem(
        kind=group.kind,
        target=group.value if query.group_by == "target" else None,
        label=group.value if query.group_by == "label" else None,
        monitor=group.monitor,
        figures=figures,
        buckets=tuple(sorted(buckets, key=lambda bucket: bucket.start)),
    )
