"""Roll-ups: the watermark, and hours and days computed anew from what they summarise."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

import asyncpg
from sqlalchemy.exc import DBAPIError

from shared.domain.kinds import METRICS, ROLLED_UP
from shared.domain.outcome import Outcome
from shared.domain.segments import DAY, HOUR, floor_to
from shared.domain.sketch import decode_merged
from shared.domain.summary import Summary
from shared.storage.advisory_locks import ROLLUPS, SAMPLE_WRITERS
from shared.storage.database import Database, UnitOfWork
from shared.storage.partition_store import PartitionStore
from shared.storage.partitions import HOURS
from shared.storage.point_sql import IS_LATE, VALUE, merged_sums, sketch_of, slots_with_sums, summary_of

LAG = "lag_ms"


class SeriesBucket(NamedTuple):
    """One hour or day of one series."""

    series_id: int
    bucket: datetime


@dataclass(frozen=True, slots=True)
class _Rollup:
    """One row to be written."""

    series_id: int
    metric: int
    bucket: datetime
    summary: Summary
    late: int


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
        kinds, places, lag_places = zip(*_places(), strict=True)
        rows = await self._work.fetch(
            f"""
            with points as (
                select k.series_id, k.bucket, c.place, s.ts, s.outcome, {VALUE} v, {IS_LATE} late
                from unnest($1::int4[], $2::timestamptz[]) k(series_id, bucket) join series using (series_id)
                -- With an offset the samples are looked up series by series; joined freely, whole days would be read.
                cross join lateral (
                    select ts, outcome, value, extras from sample
                    where series_id = k.series_id and ts >= k.bucket and ts < k.bucket + interval '1 hour'
                    and ts >= $5 and ts < $6 offset 0
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
            _Rollup(row.series_id, row.place, row.bucket, summary_of(row, sketch_of(row)), row.late) for row in rows
        ]
        await self._upsert("rollup_1h", found)

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
            _Rollup(row.series_id, row.metric, row.bucket, summary_of(row, sketch), row.late)
            for row, sketch in zip(rows, sketches, strict=True)
        ]
        await self._upsert("rollup_1d", found)

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

    async def mark_hours_computed(self, until: datetime) -> None:
        """Say that hours before `until` can be read."""
        await self._work.run("update rollup_state set hours_computed_at = greatest(hours_computed_at, $1)", until)

    async def mark_days_computed(self, until: datetime) -> None:
        """Say that days before `until` can be read."""
        await self._work.run("update rollup_state set days_computed_at = greatest(days_computed_at, $1)", until)

    async def _upsert(self, table: str, rollups: Sequence[_Rollup]) -> None:
        if not rollups:
            return
        outcomes = [outcome.value for outcome in Outcome]
        columns = [
            *("series_id", "metric", "bucket", *outcomes, "value_count", "value_sum", "value_min", "value_max"),
            *("latest", "latest_at", "sketch", "late"),
        ]
        updates = ", ".join(f"{column} = excluded.{column}" for column in columns[3:])
        await self._work.run(
            f"""
            insert into {table} ({", ".join(columns)})
            select * from unnest($1::int4[], $2::int2[], $3::timestamptz[], $4::int4[], $5::int4[], $6::int4[],
                                 $7::int4[], $8::int4[], $9::float8[], $10::float8[], $11::float8[], $12::float8[],
                                 $13::timestamptz[], $14::bytea[], $15::int4[])
            on conflict (series_id, metric, bucket) do update set {updates}
            """,
            [each.series_id for each in rollups],
            [each.metric for each in rollups],
            [each.bucket for each in rollups],
            *([each.summary.outcomes[outcome] for each in rollups] for outcome in Outcome),
            [each.summary.value_count for each in rollups],
            [each.summary.value_sum for each in rollups],
            [each.summary.value_min for each in rollups],
            [each.summary.value_max for each in rollups],
            [each.summary.latest for each in rollups],
            [each.summary.latest_at for each in rollups],
            [each.summary.sketch.encode() if each.summary.value_count else None for each in rollups],
            [each.late for each in rollups],
        )


async def claim_hours(database: Database, until: datetime, *, patience: timedelta) -> bool:
    """Move the watermark: samples before `until` written from now on count as late. Never beyond this hour.

    Waits for the writers that are in the middle of a transaction, since those do not know yet. They and those that come
    after are not held up for longer than `patience`; False says that it was not enough and nothing was moved.
    """
    try:
        async with database.transaction() as work:
            milliseconds = int(patience / timedelta(milliseconds=1))
            await work.run("select set_config('lock_timeout', $1, true)", f"{milliseconds}ms")
            await work.run("select pg_advisory_xact_lock($1)", SAMPLE_WRITERS)
            await work.run(
                "update rollup_state"
                " set claimed_at = greatest(claimed_at, least($1, date_trunc('hour', now(), 'UTC')))",
                until,
            )
    except DBAPIError as error:
        if error.orig is not None and isinstance(error.orig.__cause__, asyncpg.LockNotAvailableError):
            return False
        raise
    return True


def days_of(hours: Iterable[SeriesBucket]) -> list[SeriesBucket]:
    """The days that hours belong to, each once."""
    return sorted({SeriesBucket(key.series_id, floor_to(key.bucket, DAY)) for key in hours})


def _places() -> list[tuple[str, int, int | None]]:
    """Which metrics of which kind are rolled up: 0 is the duration, n the n-th packed one; with 0, where the lag is."""
    return [
        (kind, place, metrics.index(LAG) + 1 if place == 0 and LAG in metrics else None)
        for kind, metrics in METRICS.items()
        for place in (0, *(metrics.index(name) + 1 for name in ROLLED_UP.get(kind, ())))
    ]
