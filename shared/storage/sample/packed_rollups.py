"""Hours and days of samples that are packed already, computed anew from their chunks."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby

from shared.domain.sample.column_summary import count_late, summarise
from shared.domain.sample.sample_columns import SampleColumns
from shared.domain.sample.segments import HOUR
from shared.storage.database import UnitOfWork
from shared.storage.sample.chunk_store import ChunkStore, SeriesDay, StoredChunk
from shared.storage.sample.column_reading import read_late
from shared.storage.sample.partition_store import PartitionStore
from shared.storage.sample.partitions import HOURS
from shared.storage.sample.rollup_store import SeriesBucket
from shared.storage.sample.rollup_writing import Rollup, rolled_up_places, upsert_rollups

DAYS_AT_ONCE = 200


async def compute_packed(work: UnitOfWork, keys: Sequence[SeriesBucket], *, hours_from: datetime) -> None:
    """Compute hours of packed days, where hours are still kept, and those days, whatever was there before.

    A day is computed from its samples, not from its hours: these may be gone.

    Raises:
        ChunkError: a chunk is damaged; the message names it.
    """
    hours = {
        day: [key.bucket for key in group]
        for day, group in groupby(sorted(keys), key=lambda key: SeriesDay(key.series_id, key.bucket.date()))
    }
    days = list(hours)
    for first in range(0, len(days), DAYS_AT_ONCE):
        some = {day: hours[day] for day in days[first : first + DAYS_AT_ONCE]}
        await _compute(work, some, hours_from)


async def _compute(work: UnitOfWork, hours: Mapping[SeriesDay, Sequence[datetime]], hours_from: datetime) -> None:
    # Late ones first: what is packed in between is then found in its chunk, and counted once.
    late = await read_late(work, list(hours))
    chunks = await ChunkStore(work).list_days(hours)
    kinds = await _kinds_of(work, hours)
    samples = await asyncio.to_thread(_join, chunks, late)
    by_hour, by_day = [], []
    for day, part in samples.items():
        by_day += list(_rollups(part, day.series_id, day.start, kinds[day.series_id]))
        for hour in hours[day]:
            if hour >= hours_from:
                by_hour += list(_rollups(part.between(hour, hour + HOUR), day.series_id, hour, kinds[day.series_id]))
    await PartitionStore(work).ensure(HOURS, {rollup.bucket for rollup in by_hour})
    await upsert_rollups(work, "rollup_1h", by_hour)
    await upsert_rollups(work, "rollup_1d", by_day)


def _join(chunks: Sequence[StoredChunk], late: Mapping[SeriesDay, SampleColumns]) -> dict[SeriesDay, SampleColumns]:
    parts = {chunk.key: [chunk.unpack()] for chunk in chunks}
    for key, part in late.items():
        parts.setdefault(key, []).append(part)
    return {key: SampleColumns.merged(each) for key, each in parts.items()}


def _rollups(samples: SampleColumns, series_id: int, bucket: datetime, kind: str) -> Iterator[Rollup]:
    if not len(samples):
        return
    for each, place, lag_place in rolled_up_places():
        if each == kind:
            yield Rollup(series_id, place, bucket, summarise(samples, place), count_late(samples, lag_place))


async def _kinds_of(work: UnitOfWork, days: Mapping[SeriesDay, object]) -> dict[int, str]:
    rows = await work.fetch(
        "select series_id, kind from series where series_id = any($1::int4[])", [day.series_id for day in days]
    )
    return {row.series_id: row.kind for row in rows}
