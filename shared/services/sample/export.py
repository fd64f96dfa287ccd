"""Exports samples: some series of a day at a time, each read in a transaction that ends before anything is sent."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from shared.domain.sample.monitor_samples import SeriesInfo, ShownSample
from shared.domain.sample.packing import first_up_to
from shared.domain.sample.segments import DAY, floor_to
from shared.storage.database import Database, UnitOfWork
from shared.storage.sample.partition_store import PartitionStore
from shared.storage.sample.partitions import CHUNKS, SAMPLES
from shared.storage.sample.rollup_state import read_rollup_state
from shared.storage.sample.sample_reading import SampleWindow, coherent_reading, read_samples
from shared.storage.sample.shown_samples import ShownSampleStore, shown

PATIENCE = timedelta(seconds=10)
SERIES_AT_ONCE = 200
SAMPLES_AT_ONCE = 20_000
"""About 10 MB of text; a single series' day is read whole, however long."""


@dataclass(frozen=True, slots=True)
class ExportQuestion:
    """Which samples to export: those of `[start, end)` of some monitors, or of all targets where nothing is named."""

    start: datetime
    end: datetime
    monitors: tuple[UUID, ...] = ()
    group: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ExportedSeries:
    """Samples of a series, in the order of their times."""

    series: SeriesInfo
    samples: Sequence[ShownSample]


class Export:
    """Reads what is exported: day after day, and within a day series after series."""

    def __init__(self, database: Database, *, samples_at_once: int = SAMPLES_AT_ONCE) -> None:
        self._database = database
        self._samples_at_once = samples_at_once

    async def batches(self, question: ExportQuestion) -> AsyncIterator[list[ExportedSeries]]:
        """The samples, some at a time; nothing is held while the caller does something else.

        Raises:
            StatsTimeoutError: the database took too long.
        """
        first, last = await self._days()
        day = floor_to(max(question.start, first), DAY)
        while day < question.end and day <= last:
            after: int | None = 0
            while after is not None:
                batch, after = await self._read(question, day, after)
                if batch:
                    yield batch
            day += DAY

    async def _days(self) -> tuple[datetime, datetime]:
        """The first and the last day of which there may be samples, by the partitions there are."""
        async with self._database.transaction() as work:
            store = PartitionStore(work)
            state = await read_rollup_state(work)
            samples, chunks = await store.list_attached(SAMPLES), await store.list_attached(CHUNKS)
        oldest = [each.start_of(names[0]) for each, names in ((SAMPLES, samples), (CHUNKS, chunks)) if names]
        newest = [SAMPLES.start_of(samples[-1])] if samples else []
        # Late samples have no partition, and are of days that are packed.
        newest += [CHUNKS.span_of(CHUNKS.start_of(chunks[-1])).end, state.closed_until] if chunks else []
        return max(state.samples_from, min(oldest, default=state.claimed_at)), max(newest, default=state.claimed_at)

    async def _read(
        self, question: ExportQuestion, day: datetime, after: int
    ) -> tuple[list[ExportedSeries], int | None]:
        """The day's samples of the next series, and behind which to go on; None when there are no more."""
        start, end = max(day, question.start), min(day + DAY, question.end)
        async with coherent_reading(self._database, patience=PATIENCE) as work:
            window = SampleWindow.of(start, end, horizon=await read_rollup_state(work))
            store = ShownSampleStore(work)
            found = await store.list_series(
                monitors=question.monitors,
                group=question.group,
                labels=question.labels,
                after=after,
                limit=SERIES_AT_ONCE,
            )
            if not found or window.start >= window.end:
                return [], None
            sizes = await store.sizes([series.series_id for series in found], window)
            chosen = first_up_to(
                ((each.series_id, sizes.get(each.series_id, 0)) for each in found), self._samples_at_once
            )
            batch = await _shown(work, found[: len(chosen)], window)
        is_last = len(chosen) == len(found) < SERIES_AT_ONCE
        return batch, None if is_last else chosen[-1]


async def _shown(work: UnitOfWork, series: Sequence[SeriesInfo], window: SampleWindow) -> list[ExportedSeries]:
    samples = await read_samples(work, [each.series_id for each in series], window)
    notes = await ShownSampleStore(work).notes_between(list(samples), window.start, window.end)
    return [
        ExportedSeries(each, shown(each, samples[each.series_id], notes))
        for each in series
        if each.series_id in samples
    ]
