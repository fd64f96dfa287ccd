"""Roll-ups behind a watermark: hours and days are computed anew and never added to, so nothing can spoil them.

Safe to run anywhere and twice. A run claims all hours that are over, computes those that were not yet, then those that
got a late sample, then the days that are over. Everything is bounded; what is left is done by the next run.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from shared.domain.sample.segments import DAY, HOUR, floor_to
from shared.services.sample.turns import BusyError, locked, read_state
from shared.storage.database import Database
from shared.storage.sample.packed_rollups import compute_packed
from shared.storage.sample.rollup_store import RollupStore, SeriesBucket, claim_hours, days_of

_log = structlog.get_logger()

LATENESS = timedelta(minutes=2)
"""How long after an hour its samples may come without counting as late."""

PATIENCE = timedelta(seconds=2)
"""How long writers of samples may be held up when an hour is claimed."""

SERIES_AT_ONCE = 500
MARKS_AT_ONCE = 2_000
MAX_HOURS = 48
MAX_DAYS = 7
MAX_MARKS = 20_000


@dataclass(frozen=True, slots=True)
class RollupReport:
    """What a run did: hours and days completed, late hours of a series computed again, and whether it was cut short."""

    hours: int = 0
    days: int = 0
    late: int = 0
    is_busy: bool = False
    """Another process was at it, or writers did not let the watermark pass."""

    @property
    def moved(self) -> int:
        """How much was done; 0 when there was nothing to do."""
        return self.hours + self.days + self.late


_Compute = Callable[[RollupStore, Sequence[SeriesBucket]], Awaitable[None]]
_Mark = Callable[[RollupStore, datetime], Awaitable[None]]


class Rollups:
    """Keeps roll-ups up to date."""

    def __init__(self, database: Database, *, series_at_once: int = SERIES_AT_ONCE) -> None:
        self._database = database
        self._series_at_once = series_at_once

    async def advance(self, now: datetime) -> RollupReport:
        """Do what is due at `now`."""
        hours = late = days = 0
        try:
            await self._claim(floor_to(now - LATENESS, HOUR))
            hours = await self._compute_hours()
            late = await self._compute_late()
            days = await self._compute_days()
        except BusyError:
            return RollupReport(hours, days, late, is_busy=True)
        return RollupReport(hours, days, late)

    async def _claim(self, until: datetime) -> None:
        state = await read_state(self._database)
        if state.claimed_at < until and not await claim_hours(self._database, until, patience=PATIENCE):
            _log.warning("rollups_not_claimed", until=until.isoformat(), reason="writers of samples took too long")
            raise BusyError

    async def _compute_hours(self) -> int:
        """Compute hours that are claimed and not computed yet, oldest first."""
        for done in range(MAX_HOURS):
            state = await read_state(self._database)
            hour = state.hours_computed_at
            if hour >= state.claimed_at:
                return done
            has_samples = await self._for_all_series(hour, RollupStore.compute_hours)
            # When no series has a sample since then, the hours up to the claim are empty too.
            await self._mark(RollupStore.mark_hours_computed, hour + HOUR if has_samples else state.claimed_at)
        return MAX_HOURS

    async def _compute_days(self) -> int:
        """Compute days whose hours are all computed, oldest first."""
        for done in range(MAX_DAYS):
            state = await read_state(self._database)
            day = state.days_computed_at
            if day + DAY > state.hours_computed_at:
                return done
            has_samples = await self._for_all_series(day, RollupStore.compute_days)
            until = day + DAY if has_samples else floor_to(state.hours_computed_at, DAY)
            await self._mark(RollupStore.mark_days_computed, until)
        return MAX_DAYS

    async def _compute_late(self) -> int:
        """Compute again the hours that got late samples, and the days they belong to."""
        done = 0
        while done < MAX_MARKS:
            batch = await self._compute_late_batch()
            if not batch:
                break
            done += batch
        return done

    async def _compute_late_batch(self) -> int:
        async with locked(self._database, RollupStore) as (work, store, state):
            keys = await store.take_late(MARKS_AT_ONCE)
            # Older samples are gone, and their roll-up is all there is.
            packed = [key for key in keys if state.samples_from <= key.bucket < state.chunked_until]
            hours = [key for key in keys if key.bucket >= max(state.samples_from, state.chunked_until)]
            await compute_packed(work, packed, hours_from=state.hours_from)
            await store.compute_hours(hours)
            # Also of a day that somebody is in the middle of computing: this series may have been done already.
            await store.compute_days([day for day in days_of(hours) if day.bucket + DAY <= state.hours_computed_at])
            if keys:
                await store.note_correction()
        return len(keys)

    async def _for_all_series(self, bucket: datetime, compute: _Compute) -> bool:
        """Compute `bucket` for all series, some at once in a transaction; whether there were any."""
        after = 0
        while True:
            async with locked(self._database, RollupStore) as (_, store, _):
                series = await store.list_series(bucket, after=after, limit=self._series_at_once)
                await compute(store, [SeriesBucket(series_id, bucket) for series_id in series])
            if len(series) < self._series_at_once:
                return bool(series or after)
            after = series[-1]

    async def _mark(self, mark: _Mark, until: datetime) -> None:
        async with locked(self._database, RollupStore) as (_, store, _):
            await mark(store, until)
