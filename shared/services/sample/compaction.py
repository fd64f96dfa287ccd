"""Packs closed days: rows become one chunk a series and day, verified before the rows go; late samples join them.

Safe to run anywhere, twice, and to be cut off anywhere: a day is closed to writers first; its series are packed some at
a time, which nobody reads yet; when all are, one statement lets readers turn to the chunks, and only then the rows go.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from shared.domain.sample.chunk_codec import decode_chunk, encode_chunk
from shared.domain.sample.packing import closable_until, first_up_to
from shared.domain.sample.sample_columns import SampleColumns, moment_at
from shared.domain.sample.segments import DAY
from shared.services.sample.turns import BusyError, locked, read_state
from shared.storage.database import Database, UnitOfWork
from shared.storage.sample.chunk_store import ChunkStore, SeriesDay
from shared.storage.sample.column_reading import ROWS, read_columns, read_late
from shared.storage.sample.compaction_store import CompactionStore, close_until
from shared.storage.sample.partition_retention import drop_before
from shared.storage.sample.partitions import SAMPLES
from shared.storage.sample.rollup_state import read_rollup_state

_log = structlog.get_logger()

PATIENCE = timedelta(seconds=2)
"""How long writers of samples may be held up when days are closed."""

SAMPLES_AT_ONCE = 200_000
"""About 30 MB of columns, packed in half a second."""

SERIES_AT_ONCE = 500
DAYS_AT_ONCE = 200
"""How many chunks that late samples belong to are packed anew in one transaction."""

MAX_BATCHES = 40
"""How many transactions one run takes; what is left is done by the next."""


class CompactionError(Exception):
    """What was packed is not what was stored; the rows stay, and the day is packed anew."""


@dataclass(frozen=True, slots=True)
class CompactionReport:
    """What a run did: samples packed with their day, late ones packed afterwards, days done, and if it was kept off."""

    samples: int = 0
    late: int = 0
    days: int = 0
    is_busy: bool = False

    @property
    def moved(self) -> int:
        """How much was done; 0 when there was nothing to do."""
        return self.samples + self.late + self.days


class Compaction:
    """Packs samples that are older than `hot_days`: 2 leaves today and yesterday as rows."""

    def __init__(self, database: Database, *, hot_days: int, samples_at_once: int = SAMPLES_AT_ONCE) -> None:
        self._database = database
        self._hot_days = hot_days
        self._samples_at_once = samples_at_once

    async def advance(self, now: datetime) -> CompactionReport:
        """Do what is due at `now`, or a part of it.

        Raises:
            CompactionError: what was packed is not what was stored.
            ChunkError: a chunk that late samples belong to is damaged.
        """
        samples = late = days = 0
        try:
            await self._close(now)
            for _ in range(MAX_BATCHES):
                day = await self._find_day()
                if day is None:
                    break
                packed = await self._pack_some(day)
                samples += packed
                if not packed:
                    await self._finish(day)
                    days += 1
            await self._drop_packed()
            late = await self._merge_late()
        except BusyError:
            return CompactionReport(samples, late, days, is_busy=True)
        return CompactionReport(samples, late, days)

    async def _close(self, now: datetime) -> None:
        """Close the days that are no longer hot to writers."""
        state = await read_state(self._database)
        until = closable_until(state, now=now, hot_days=self._hot_days)
        if state.closed_until < until and not await close_until(self._database, until, patience=PATIENCE):
            _log.warning("days_not_closed", until=until.isoformat(), reason="writers of samples took too long")
            raise BusyError

    async def _find_day(self) -> datetime | None:
        """The oldest closed day that is not packed."""
        async with self._database.transaction() as work:
            state = await read_rollup_state(work)
            return await CompactionStore(work).find_day(state.chunked_until, state.closed_until)

    async def _pack_some(self, day: datetime) -> int:
        """Pack the next series of the day; how many samples they had, 0 when all are packed."""
        async with locked(self._database, CompactionStore) as (work, store, state):
            if state.chunked_until > day:
                raise BusyError
            after = await store.last_packed(day)
            found = dict(await store.list_series(day, after=after, limit=SERIES_AT_ONCE))
            series = first_up_to(found.items(), self._samples_at_once)
            samples = await read_columns(work, series, (day, day + DAY), tables=ROWS)
            if {key: len(part) for key, part in samples.items()} != {key: found[key] for key in series}:
                raise CompactionError(f"the rows of {day:%Y-%m-%d} were not read as they are")
            await _put(work, {SeriesDay(key, day.date()): part for key, part in samples.items()})
            return sum(map(len, samples.values()))

    async def _finish(self, day: datetime) -> None:
        """Let readers turn to the chunks of the day, if all series have theirs."""
        async with locked(self._database, CompactionStore) as (_, store, state):
            if state.chunked_until > day:
                raise BusyError
            is_whole = await store.is_whole(day)
            if is_whole:
                await store.mark_chunked(day + DAY)
            else:
                await store.forget_chunks(day)
        if not is_whole:
            raise CompactionError(f"the chunks of {day:%Y-%m-%d} are not those of its rows; they are made anew")
        _log.info("day_packed", day=f"{day:%Y-%m-%d}")

    async def _drop_packed(self) -> None:
        state = await read_state(self._database)
        await drop_before(self._database, SAMPLES, state.chunked_until)

    async def _merge_late(self) -> int:
        """Pack what came late for days that are packed already."""
        done = 0
        for _ in range(MAX_BATCHES):
            merged = await self._merge_some()
            done += merged
            if not merged:
                break
        return done

    async def _merge_some(self) -> int:
        async with locked(self._database, CompactionStore) as (work, store, state):
            forgotten = await store.delete_late_before(state.samples_from)
            keys = await store.list_late(state.chunked_until, samples=self._samples_at_once, limit=DAYS_AT_ONCE)
            late = await read_late(work, keys)
            chunks = await ChunkStore(work).list_days(late)
            packed = {chunk.key: await asyncio.to_thread(chunk.unpack) for chunk in chunks}
            parts = {key: [packed[key], part] if key in packed else [part] for key, part in late.items()}
            await _put(work, {key: SampleColumns.merged(each) for key, each in parts.items()})
            for key, part in late.items():
                await store.delete_late(key.series_id, [moment_at(moment) for moment in part.moments.tolist()])
        return forgotten + sum(map(len, late.values()))


async def _put(work: UnitOfWork, samples: Mapping[SeriesDay, SampleColumns]) -> None:
    """Pack in a thread, since it takes a while, and write."""
    chunks = await asyncio.to_thread(_pack, list(samples.values()))
    await ChunkStore(work).put({key: (len(samples[key]), data) for key, data in zip(samples, chunks, strict=True)})


def _pack(days: Sequence[SampleColumns]) -> list[bytes]:
    chunks = [encode_chunk(samples) for samples in days]
    if not all(decode_chunk(data).is_same_as(samples) for data, samples in zip(chunks, days, strict=True)):
        raise CompactionError("samples that were packed do not come out as they went in")
    return chunks
