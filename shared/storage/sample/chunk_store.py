"""Chunks: samples of one series and day as one row."""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any, NamedTuple

from sqlalchemy import Row

from shared.domain.sample.chunk_codec import CODEC, ChunkError, decode_chunk
from shared.domain.sample.sample_columns import SampleColumns
from shared.storage.database import UnitOfWork
from shared.storage.sample.partition_store import PartitionStore
from shared.storage.sample.partitions import CHUNKS

_QUICK_BYTES = 200_000
"""So many packed bytes are decoded in some 10 ms; more are left to a thread, so that nobody else waits."""


class SeriesDay(NamedTuple):
    """A day (UTC) of a series."""

    series_id: int
    day: date

    @property
    def start(self) -> datetime:
        """The day's first moment."""
        return datetime.combine(self.day, time(), UTC)


class StoredChunk(NamedTuple):
    """A chunk as it is kept; `samples` is how many it holds."""

    key: SeriesDay
    samples: int
    codec: int
    data: bytes

    def unpack(self, places: Collection[int] | None = None) -> SampleColumns:
        """Its samples, with the values at `places`, or all of them.

        Raises:
            ChunkError: it is damaged; the message names it.
        """
        try:
            return decode_chunk(self.data, codec=self.codec, places=places)
        except ChunkError as error:
            raise ChunkError(
                f"the chunk of series {self.key.series_id}, {self.key.day}, cannot be read: {error}"
            ) from (error)


class ChunkStore:
    """Chunks within a transaction."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def count(self, series: Sequence[int], days: tuple[date, date], *, limit: int) -> tuple[int, int]:
        """How many chunks some series have from one day to another, that one too, and how many samples are in them.

        Counting stops at `limit` chunks.
        """
        rows = await self._work.fetch(
            "select count(*) as chunks, coalesce(sum(samples), 0)::int8 as samples from (select samples"
            " from sample_chunk where series_id = any($1::int4[]) and day >= $2 and day <= $3 limit $4) counted",
            list(series),
            *days,
            limit,
        )
        return rows[0].chunks, rows[0].samples

    async def list_between(self, series: Sequence[int], first: date, last: date) -> list[StoredChunk]:
        """The chunks of some series from one day to another, that one too, in the order of their days."""
        rows = await self._work.fetch(
            "select series_id, day, samples, codec, data from sample_chunk"
            " where series_id = any($1::int4[]) and day >= $2 and day <= $3 order by day",
            list(series),
            first,
            last,
        )
        return [_chunk_of(row) for row in rows]

    async def list_days(self, keys: Collection[SeriesDay]) -> list[StoredChunk]:
        """The chunks of these days of series; those that are not there are left out."""
        if not keys:
            return []
        rows = await self._work.fetch(
            "select c.series_id, c.day, c.samples, c.codec, c.data"
            " from unnest($1::int4[], $2::date[]) k(series_id, day) join sample_chunk c"
            " on c.series_id = k.series_id and c.day = k.day and c.day >= $3 and c.day <= $4",
            [key.series_id for key in keys],
            [key.day for key in keys],
            min(key.day for key in keys),
            max(key.day for key in keys),
        )
        return [_chunk_of(row) for row in rows]

    async def put(self, packed: Mapping[SeriesDay, tuple[int, bytes]]) -> None:
        """Write chunks (how many samples, and their bytes), each in the place of the one that was there."""
        if not packed:
            return
        keys = sorted(packed)
        await PartitionStore(self._work).ensure(CHUNKS, {key.start for key in keys})
        await self._work.run(
            """
            insert into sample_chunk (series_id, day, samples, codec, data)
            select k.series_id, k.day, k.samples, $5, k.data
            from unnest($1::int4[], $2::date[], $3::int4[], $4::bytea[]) k(series_id, day, samples, data)
            on conflict (series_id, day) do update
            set samples = excluded.samples, codec = excluded.codec, data = excluded.data
            """,
            [key.series_id for key in keys],
            [key.day for key in keys],
            [packed[key][0] for key in keys],
            [packed[key][1] for key in keys],
            CODEC,
        )


async def unpack_all(
    chunks: Sequence[StoredChunk], places: Collection[int] | None = None
) -> dict[int, list[SampleColumns]]:
    """The samples of each series, a part for each chunk, in the order of the chunks.

    Raises:
        ChunkError: one is damaged; the message names it.
    """
    if sum(len(chunk.data) for chunk in chunks) > _QUICK_BYTES:
        return await asyncio.to_thread(_unpack_all, chunks, places)
    return _unpack_all(chunks, places)


def _unpack_all(chunks: Sequence[StoredChunk], places: Collection[int] | None) -> dict[int, list[SampleColumns]]:
    parts: dict[int, list[SampleColumns]] = defaultdict(list)
    for chunk in chunks:
        parts[chunk.key.series_id].append(chunk.unpack(places))
    return parts


def _chunk_of(row: Row[Any]) -> StoredChunk:
    return StoredChunk(SeriesDay(row.series_id, row.day), row.samples, row.codec, row.data)
