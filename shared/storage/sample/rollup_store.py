"""Roll-ups: the watermark, and hours and days computed anew from what they summarise."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from shared.domain.sample.segments import DAY, HOUR, floor_to
from shared.domain.sample.sketch import decode_merged
from shared.storage.advisory_locks import ROLLUPS
from shared.storage.database import Database, UnitOfWork
from shared.storage.sample.partition_store import PartitionStore
from shared.storage.sample.partitions import HOURS
from shared.storage.sample.point_sql import IS_LATE, VALUE, merged_sums, sketch_of, slots_with_sums, summary_of
from shared.storage.sample.rollup_writing import Rollup, rolled_up_places, upsert_rollups
from shared.storage.sample.writer_pause import move_past_writers


class SeriesBucket(NamedTuple):
    """One hour or day of one series."""

    series_id: int
    bucket: datetime


class RollupStore:
    """Roll-ups within a transaction that holds the lock from its first statement on."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def try_lock(self) -> bool:
        """Whether this transaction is now the only one that computes roll-ups."""
        rows = await self._work.fetch("select pg_try_advisory_xact_lock($1)", ROLLUPS)
        return bool(rows[0][0])

    async def lock(self) -> None:
        """Wait until this transaction is the only one that computes roll-ups."""
        await self._work.run("select pg_advisory_xact_lock($1)", ROLLUPS)

    async def list_series(self, since: datetime, *, after: int, limit: int) -> list[int]:
        """Series behind `after` with a sample at or after `since`, in ascending order."""
        rows = await self._work.fetch(
            "select series_id from series_current where ts >= $1 and series_id > $2 order by series_id limit $3",
            since,
            after,
            limit,
        )
        return [row[0] for row in rows]

    async def compute_hours(self, keys: Sequence[SeriesBucket]) -> None:
        """Compute hours from samples, whatever was there before."""
        if not keys:
            return
        kinds, places, lag_places = zip(*rolled_up_places(), strict=True)
        rows = await self._work.fetch(
            f"""
            with points as (
                select k.series_id, k.bucket, c.place, s.ts, s.outcome, {VALUE} v, {IS_LATE} late
                from unnest($1::int4[], $2::timestamptz[]) k(series_id, bucket) join series using (series_id)
                -- With an offset the samples are looked up series by series; joined freely, whole days would be read.
                cross join lateral (
                    select ts, outcome, value, extras from sample
                    where series_id = k.series_id and ts >= k.bucket and ts < k.bucket + interval '1 hour'
                    and ts >= $5 and ts < $6
                    union all
                    select ts, outcome, value, extras from sample_late
                    where series_id = k.series_id and ts >= k.bucket and ts < k.bucket + interval '1 hour' offset 0
                ) s
                join unnest($3::text[], $4::int2[], $7::int2[]) c(kind, place, lag_place) on c.kind = series.kind
            ), {slots_with_sums("series_id, bucket, place", flags=["late"])}
            """,
            [key.series_id for key in keys],
            [key.bucket for key in keys],
            list(kinds),
            list(places),
            min(key.bucket for key in keys),
            max(key.bucket for key in keys) + HOUR,
            list(lag_places),
        )
        await PartitionStore(self._work).ensure(HOURS, {key.bucket for key in keys})
        found = [
            Rollup(row.series_id, row.place, row.bucket, summary_of(row, sketch_of(row)), row.late) for row in rows
        ]
        await upsert_rollups(self._work, "rollup_1h", found)

    async def compute_days(self, keys: Sequence[SeriesBucket]) -> None:
        """Compute days from their hours, whatever was there before."""
        rows = await self._work.fetch(
            f"""
            select k.series_id, k.bucket, r.metric, sum(r.late)::int8 late, {merged_sums()}
            from unnest($1::int4[], $2::timestamptz[]) k(series_id, bucket) join rollup_1h r
            on r.series_id = k.series_id and r.bucket >= k.bucket and r.bucket < k.bucket + interval '1 day'
            group by 1, 2, 3
            """,
            [key.series_id for key in keys],
            [key.bucket for key in keys],
        )
        sketches = decode_merged([row.sketches or () for row in rows])
        found = [
            Rollup(row.series_id, row.metric, row.bucket, summary_of(row, sketch), row.late)
            for row, sketch in zip(rows, sketches, strict=True)
        ]
        await upsert_rollups(self._work, "rollup_1d", found)

    async def take_late(self, limit: int) -> list[SeriesBucket]:
        """Take away up to `limit` marks of late samples; the hours they name, each once.

        What they speak of was committed with them, so a later statement of this transaction sees it.
        """
        rows = await self._work.fetch(
            "delete from rollup_dirty where mark_id in (select mark_id from rollup_dirty order by mark_id limit $1)"
            " returning series_id, bucket",
            limit,
        )
        return sorted({SeriesBucket(row.series_id, row.bucket) for row in rows})

    async def note_correction(self) -> None:
        """Say that what can be read of hours and days is no longer what it was."""
        await self._work.run("update rollup_state set corrections = corrections + 1")

    async def mark_hours_computed(self, until: datetime) -> None:
        """Say that hours before `until` can be read."""
        await self._work.run("update rollup_state set hours_computed_at = greatest(hours_computed_at, $1)", until)

    async def mark_days_computed(self, until: datetime) -> None:
        """Say that days before `until` can be read."""
        await self._work.run("update rollup_state set days_computed_at = greatest(days_computed_at, $1)", until)


async def claim_hours(database: Database, until: datetime, *, patience: timedelta) -> bool:
    """Move the watermark: samples before `until` written from now on count as late. Never beyond this hour.

    Waits for the writers that are in the middle of a transaction, since those do not know yet. They and those that come
    after are not held up for longer than `patience`; False says that it was not enough and nothing was moved.
    """
    return await move_past_writers(
        database,
        "update rollup_state set claimed_at = greatest(claimed_at, least($1, date_trunc('hour', now(), 'UTC')))",
        until,
        patience=patience,
    )


def days_of(hours: Iterable[SeriesBucket]) -> list[SeriesBucket]:
    """The days that hours belong to, each once."""
    return sorted({SeriesBucket(key.series_id, floor_to(key.bucket, DAY)) for key in hours})
