"""Which source answers for which part of a window: single samples, hours or days; pure."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Source(StrEnum):
    """Where numbers are read."""

    RAW = "raw"
    HOUR = "hour"
    DAY = "day"


@dataclass(frozen=True, slots=True)
class Horizon:
    """How far roll-ups reach, and from when on finer data is kept whole.

    Samples before `claimed_at` count as late when they are written. Hours before `hours_computed_at` and days before
    `days_computed_at` can be read. Samples are whole from `samples_from` on, hours from `hours_from` on, days always.

    Samples before `chunked_until` are packed. No row before `closed_until` is written any more: what comes later is
    kept apart until it is packed too.

    What can be read of hours and days stays as it is while `corrections` does.
    """

    claimed_at: datetime
    hours_computed_at: datetime
    days_computed_at: datetime
    samples_from: datetime = _EPOCH
    hours_from: datetime = _EPOCH
    chunked_until: datetime = _EPOCH
    closed_until: datetime = _EPOCH
    corrections: int = 0


@dataclass(frozen=True, slots=True)
class Segment:
    """One source for the half-open time from `start` to `end`."""

    source: Source
    start: datetime
    end: datetime


def floor_to(moment: datetime, unit: timedelta) -> datetime:
    """The last multiple of `unit` since 1970 (UTC) that is not after `moment`."""
    return moment - (moment - _EPOCH) % unit


def ceil_to(moment: datetime, unit: timedelta) -> datetime:
    """The first multiple of `unit` since 1970 (UTC) that is not before `moment`."""
    return moment + (_EPOCH - moment) % unit


def plan_raw(start: datetime, end: datetime, *, horizon: Horizon) -> tuple[Segment, ...]:
    """Single samples only, as far back as they are kept."""
    return _without_empty(Segment(Source.RAW, max(start, horizon.samples_from), end))


def plan_segments(
    start: datetime, end: datetime, *, horizon: Horizon, bucket: timedelta | None = None
) -> tuple[Segment, ...]:
    """Cover `[start, end)` by the coarsest sources that its edges and `bucket` allow, in order and without a gap.

    Where single samples (or hours) are no longer kept, the edges are widened to whole hours (or days); with a `bucket`
    finer than that, what is too old is left out. Within `ALPHA` for percentiles as soon as a segment is not raw.
    """
    if bucket is not None and bucket % HOUR:
        return plan_raw(start, end, horizon=horizon)
    allows_days = bucket is None or not bucket % DAY
    start, end = _widen(start, end, horizon=horizon, allows_days=allows_days)
    first = ceil_to(start, HOUR)
    last = min(floor_to(end, HOUR), horizon.hours_computed_at)
    if first >= last:
        return _without_empty(Segment(Source.RAW, start, end))
    middle = _plan_whole_hours(first, last, horizon=horizon) if allows_days else (Segment(Source.HOUR, first, last),)
    return _without_empty(Segment(Source.RAW, start, first), *middle, Segment(Source.RAW, last, end))


def _widen(start: datetime, end: datetime, *, horizon: Horizon, allows_days: bool) -> tuple[datetime, datetime]:
    """Move the edges to where there is something to read."""
    if start < horizon.samples_from:
        start = floor_to(start, HOUR)
    if end < horizon.samples_from:
        end = ceil_to(end, HOUR)
    if start < horizon.hours_from:
        start = floor_to(start, DAY) if allows_days else horizon.hours_from
    if end < horizon.hours_from and allows_days:
        end = ceil_to(end, DAY)
    return start, end


def _plan_whole_hours(first: datetime, last: datetime, *, horizon: Horizon) -> tuple[Segment, ...]:
    first_day = ceil_to(first, DAY)
    last_day = min(floor_to(last, DAY), horizon.days_computed_at)
    if first_day >= last_day:
        return (Segment(Source.HOUR, first, last),)
    return (
        Segment(Source.HOUR, first, first_day),
        Segment(Source.DAY, first_day, last_day),
        Segment(Source.HOUR, last_day, last),
    )


def _without_empty(*segments: Segment) -> tuple[Segment, ...]:
    return tuple(segment for segment in segments if segment.start < segment.end)
