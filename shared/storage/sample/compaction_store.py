"""What packing needs of the database: closing a day, walking its series, and taking over what came late."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from shared.domain.sample.segments import DAY
from shared.storage.advisory_locks import COMPACTION, ROLLUPS
from shared.storage.database import Database, UnitOfWork
from shared.storage.sample.chunk_store import SeriesDay
from shared.storage.sample.partition_store import PartitionStore
from shared.storage.sample.partitions import SAMPLES
from shared.storage.sample.writer_pause import move_past_writers


class DaySeries(NamedTuple):
    """A series of a day, and how many samples it has there."""

    series_id: int
    samples: int


class CompactionStore:
    """Packing within a transaction that holds its lock from the first statement on."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def try_lock(self) -> bool:
        """Whether this transaction is now the only one that packs."""
        rows = await self._work.fetch("select pg_try_advisory_xact_lock($1)", COMPACTION)
        return bool(rows[0][0])

    async def find_day(self, since: datetime, before: datetime) -> datetime | None:
        """The oldest day that still has rows from `since` on, if it is over before `before`."""
        names = await PartitionStore(self._work).list_attached(SAMPLES)
        first, last = SAMPLES.span_of(since).name, SAMPLES.span_of(before).name
        old = [name for name in names if first <= name < last]
        return SAMPLES.start_of(old[0]) if old else None

    async def last_packed(self, day: datetime) -> int:
        """The series up to which the day is packed; 0 when none is."""
        rows = await self._work.fetch("select max(series_id) from sample_chunk where day = $1", day.date())
        return rows[0][0] or 0

    async def list_series(self, day: datetime, *, after: int, limit: int) -> list[DaySeries]:
        """Series behind `after` with rows on the day, ascending, and how many."""
        rows = await self._work.fetch(
            """
            select k.series_id, c.samples from unnest($1::int4[]) with ordinality k(series_id, place)
            cross join lateral (
                select count(*) as samples from sample where series_id = k.series_id and ts >= $2 and ts < $3
            ) c order by k.place
            """,
            await self.list_series_ids(day, after=after, limit=limit),
            day,
            day + DAY,
        )
        return [DaySeries(row.series_id, row.samples) for row in rows]

    async def list_series_ids(self, day: datetime, *, after: int, limit: int | None) -> list[int]:
        """The same without their numbers; found by going from one to the next in the index, past all between."""
        rows = await self._work.fetch(
            """
            with recursive found(series_id) as (
                (select series_id from sample where series_id > $1 and ts >= $2 and ts < $3 order by series_id limit 1)
                union all
                select (select series_id from sample where series_id > found.series_id and ts >= $2 and ts < $3
                        order by series_id limit 1)
                from found where found.series_id is not null
            )
            select series_id from found where series_id is not null limit $4
            """,
            after,
            day,
            day + DAY,
            limit,
        )
        return [row.series_id for row in rows]

    async def forget_chunks(self, day: datetime) -> None:
        """Remove the chunks of a day that nobody reads yet, so that it is packed anew."""
        await self._work.run("delete from sample_chunk where day = $1", day.date())

    async def is_whole(self, day: datetime) -> bool:
        """Whether each series with rows on the day has its chunk, and no other."""
        series = await self.list_series_ids(day, after=0, limit=None)
        rows = await self._work.fetch("select series_id from sample_chunk where day = $1 order by 1", day.date())
        return [row.series_id for row in rows] == series

    async def mark_chunked(self, until: datetime) -> None:
        """Say that everything before is read from chunks; whoever is computing roll-ups from rows is waited for."""
        await self._work.run("select pg_advisory_xact_lock($1)", ROLLUPS)
        await self._work.run("update rollup_state set chunked_until = greatest(chunked_until, $1)", until)

    async def list_late(self, before: datetime, *, samples: int, limit: int) -> list[SeriesDay]:
        """Up to `limit` days of series with samples that came late, in order; those of the first so many samples."""
        rows = await self._work.fetch(
            "select distinct series_id, (ts at time zone 'UTC')::date as day from"
            " (select series_id, ts from sample_late where ts < $1 order by series_id, ts limit $2) late"
            " order by 1, 2 limit $3",
            before,
            samples,
            limit,
        )
        return [SeriesDay(row.series_id, row.day) for row in rows]

    async def delete_late(self, series_id: int, moments: Sequence[datetime]) -> None:
        """Remove late samples of a series that are packed now."""
        await self._work.run(
            "delete from sample_late where series_id = $1 and ts = any($2::timestamptz[])", series_id, list(moments)
        )

    async def delete_late_before(self, moment: datetime) -> int:
        """Remove late samples of days that are no longer kept."""
        return (await self._work.run("delete from sample_late where ts < $1", moment)).rowcount


async def close_until(database: Database, until: datetime, *, patience: timedelta) -> bool:
    """Let no row before `until` be written from now on; False says that writers took too long."""
    return await move_past_writers(
        database, "update rollup_state set closed_until = greatest(closed_until, $1)", until, patience=patience
    )
