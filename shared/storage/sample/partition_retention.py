"""Drops partitions that are older than is kept; nothing is ever deleted row by row."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.domain.sample.segments import DAY, floor_to
from shared.storage.advisory_locks import COMPACTION, PARTITIONS, SAMPLE_WRITERS
from shared.storage.database import Database, UnitOfWork
from shared.storage.sample.partitions import CHUNKS, HOURS, NOTES, SAMPLES, Partitioning
from shared.storage.sample.rollup_state import read_rollup_state
from shared.storage.sample.rollup_store import RollupStore

LOCK_TIMEOUT = "2s"


class DropReason(StrEnum):
    """Why a partition was dropped."""

    AGE = "age"
    """It was kept as long as was asked for."""
    SIZE = "size"
    """All samples together were larger than was asked for."""


@dataclass(frozen=True, slots=True)
class Kept:
    """From when on samples, and hours, are kept; whole months of what lies before are dropped."""

    samples: datetime
    hours: datetime


async def forget_before(database: Database, kept: Kept, *, reason: DropReason = DropReason.AGE) -> None:
    """Say that samples and hours before these moments are no longer whole, and drop what lies before.

    It is said first, and while neither writers nor roll-ups are at work: nobody then adds to a day that is going, or
    computes its roll-up from what is left. What no roll-up has summarised yet stays, whatever its age.
    """
    async with database.transaction() as work:
        state = await read_rollup_state(work)
        summarised = await _summarised_until(work, state.days_computed_at)
        samples_from = max(CHUNKS.span_of(min(kept.samples, summarised)).start, state.samples_from)
        hours_from = max(HOURS.span_of(min(kept.hours, summarised)).start, state.hours_from)
        if (samples_from, hours_from) != (state.samples_from, state.hours_from):
            samples_from, hours_from = await _move(work, samples_from, hours_from)
    for partitioning in (CHUNKS, NOTES, SAMPLES):
        await drop_before(database, partitioning, samples_from, reason=reason)
    await drop_before(database, HOURS, hours_from, reason=reason)


async def _move(work: UnitOfWork, samples_from: datetime, hours_from: datetime) -> tuple[datetime, datetime]:
    """Move both, now that nobody else is at work. A mark made meanwhile for an older day holds them where they are."""
    await work.run("select set_config('lock_timeout', $1, true)", LOCK_TIMEOUT)
    await work.run("select pg_advisory_xact_lock($1)", COMPACTION)
    await RollupStore(work).lock()
    await work.run("select pg_advisory_xact_lock($1)", SAMPLE_WRITERS)
    await work.run(
        "update rollup_state set samples_from = greatest(samples_from, $1), hours_from = greatest(hours_from, $2)"
        " where not exists (select 1 from rollup_dirty where bucket < greatest($1::timestamptz, $2::timestamptz))",
        samples_from,
        hours_from,
    )
    state = await read_rollup_state(work)
    return state.samples_from, state.hours_from


async def drop_before(
    database: Database, partitioning: Partitioning, before: datetime, *, reason: DropReason | None = None
) -> list[str]:
    """Drop the partitions that end at or before a moment; the names of those that went.

    Detached first, concurrently, since dropping an attached partition would wait for all readers and writers of the
    table and make all others wait. One that an earlier run could not finish is finished. With a `reason` it is
    remembered what was lost, and how large it was.
    """
    end = partitioning.span_of(before).name
    async with _autocommit(database) as connection:
        locked = await connection.exec_driver_sql("select pg_try_advisory_lock($1)", (PARTITIONS,))
        if not locked.scalar_one():
            return []
        try:
            found = await connection.exec_driver_sql(_OLD, (partitioning.name_pattern, end, partitioning.table))
            old = found.fetchall()
            for row in old:
                if row.is_attached:
                    how = "finalize" if row.is_pending else "concurrently"
                    await connection.exec_driver_sql(
                        f"alter table {partitioning.table} detach partition {row.name} {how}"
                    )
                await _drop(database, row.name, reason)
        finally:
            await connection.exec_driver_sql("select pg_advisory_unlock($1)", (PARTITIONS,))
    return [row.name for row in old]


async def _drop(database: Database, name: str, reason: DropReason | None) -> None:
    """Drop a detached partition, and remember it in the same transaction."""
    async with database.transaction() as work:
        if reason is not None:
            await work.run(
                "insert into storage_drops (partition, reason, bytes)"
                " values ($1, $2, pg_total_relation_size($1::text::regclass))",
                name,
                reason.value,
            )
        await work.run(f"drop table {name}")


_OLD = """
    select c.relname::text as name, i.inhparent is not null as is_attached,
           coalesce(i.inhdetachpending, false) as is_pending
    from pg_class c left join pg_inherits i on i.inhrelid = c.oid and i.inhparent = $3::text::regclass
    where c.relkind = 'r' and c.relnamespace = current_schema()::regnamespace and c.relname ~ $1 and c.relname < $2
    order by c.relname
"""


async def _summarised_until(work: UnitOfWork, days_computed_at: datetime) -> datetime:
    rows = await work.fetch("select min(bucket) from rollup_dirty")
    oldest_mark: datetime | None = rows[0][0]
    return days_computed_at if oldest_mark is None else min(days_computed_at, floor_to(oldest_mark, DAY))


@asynccontextmanager
async def _autocommit(database: Database) -> AsyncIterator[AsyncConnection]:
    """A connection without a transaction, as detaching concurrently needs it."""
    async with database.engine.connect() as connection:
        yield await connection.execution_options(isolation_level="AUTOCOMMIT")
