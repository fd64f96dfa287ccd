"""Reads samples wherever they are kept: in chunks, late, or as rows."""

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import asyncpg

from shared.domain.sample.answering import Limits
from shared.domain.sample.sample_columns import SampleColumns
from shared.domain.sample.segments import Horizon
from shared.domain.sample.statistics import StatsTimeoutError
from shared.storage.database import Database, UnitOfWork
from shared.storage.sample.chunk_store import ChunkStore, unpack_all
from shared.storage.sample.column_reading import ALL_PLACES, LATE, read_columns

_MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class SampleWindow:
    """A half-open time, and what of it is packed: everything before `chunked_until`."""

    start: datetime
    end: datetime
    chunked_until: datetime

    @staticmethod
    def of(start: datetime, end: datetime, *, horizon: Horizon) -> "SampleWindow":
        """The window as far back as samples are kept."""
        return SampleWindow(max(start, horizon.samples_from), end, horizon.chunked_until)

    @property
    def has_packed(self) -> bool:
        """Whether some of it may be in chunks."""
        return self.start < min(self.end, self.chunked_until)

    @property
    def packed_days(self) -> tuple[date, date]:
        """The first and the last day of which there may be chunks."""
        return self.start.date(), (min(self.end, self.chunked_until) - _MOMENT).date()

    @property
    def packed(self) -> tuple[datetime, datetime]:
        """The time of which samples are packed, or late."""
        return self.start, min(self.end, self.chunked_until)

    @property
    def rows(self) -> tuple[datetime, datetime]:
        """The time of which samples are rows; empty where the end is not after the start."""
        return max(self.start, self.chunked_until), self.end


async def read_samples(
    work: UnitOfWork, series: Sequence[int], window: SampleWindow, *, places: Sequence[int] = ALL_PLACES
) -> dict[int, SampleColumns]:
    """The samples of each series in the window, with the values at `places`; series without one are left out.

    Raises:
        ChunkError: a chunk is damaged; the message names it.
    """
    parts: dict[int, list[SampleColumns]] = defaultdict(list)
    if window.has_packed:
        # Late ones first: what is packed in between is then found in its chunk, and taken once.
        late = await read_columns(work, series, window.packed, places=places, tables=LATE)
        chunks = await ChunkStore(work).list_between(series, *window.packed_days)
        for series_id, unpacked in (await unpack_all(chunks, places)).items():
            parts[series_id] += [unpacked[0].between(*window.packed), *unpacked[1:-1]]
            parts[series_id] += [part.between(*window.packed) for part in unpacked[1:][-1:]]
        for series_id, part in late.items():
            parts[series_id].append(part)
    if window.rows[0] < window.end:
        for series_id, part in (await read_columns(work, series, window.rows, places=places)).items():
            parts[series_id].append(part)
    return {series_id: SampleColumns.merged(each) for series_id, each in parts.items()}


async def is_within(work: UnitOfWork, series: Sequence[int], window: SampleWindow, limits: Limits) -> bool:
    """Whether so few samples are in the window that they can be read; what may be more is counted no further."""
    if window.has_packed:
        chunks, samples = await ChunkStore(work).count(series, window.packed_days, limit=limits.chunks + 1)
        if chunks > limits.chunks or samples > limits.samples:
            return False
    return await _count_rows(work, series, window, limit=limits.rows + 1) <= limits.rows


async def _count_rows(work: UnitOfWork, series: Sequence[int], window: SampleWindow, *, limit: int) -> int:
    start, end = window.rows
    if start >= end:
        return 0
    rows = await work.fetch(
        """
        select count(*) from (
            select 1 from unnest($1::int4[]) c(series_id) cross join lateral (
                select 1 from sample where series_id = c.series_id and ts >= $2 and ts < $3
            ) s limit $4
        ) counted
        """,
        list(series),
        start,
        end,
        limit,
    )
    return int(rows[0][0])


@asynccontextmanager
async def coherent_reading(database: Database, *, patience: timedelta) -> AsyncIterator[UnitOfWork]:
    """A transaction that sees one state of all tables of samples, whose statements end after `patience` each.

    The locks, taken before the snapshot, keep partitions that it sees from being dropped before it ends.

    Raises:
        StatsTimeoutError: a statement did not answer in time.
    """
    try:
        async with database.writing() as work:
            # Plans are made for the arrays at hand: one for a single series would crawl through ten thousand.
            await work.run(
                "set transaction isolation level repeatable read;"
                " lock table only sample, only sample_chunk, only sample_note, only rollup_1h in access share mode;"
                f" set local statement_timeout = {int(patience / timedelta(milliseconds=1))};"
                " set local plan_cache_mode = force_custom_plan"
            )
            yield work
    except asyncpg.QueryCanceledError as error:
        raise StatsTimeoutError("the statistics took too long; ask for a shorter window or fewer targets") from error
