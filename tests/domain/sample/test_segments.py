"""A window is covered by the coarsest sources, without gap and without overlap."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.sample.segments import (
    DAY,
    HOUR,
    Horizon,
    Segment,
    Source,
    ceil_to,
    floor_to,
    plan_raw,
    plan_segments,
)

MIDNIGHT = datetime(2026, 11, 20, tzinfo=UTC)
NOW = MIDNIGHT + timedelta(hours=15, minutes=20)
HORIZON = Horizon(
    claimed_at=MIDNIGHT + 15 * HOUR,
    hours_computed_at=MIDNIGHT + 15 * HOUR,
    days_computed_at=MIDNIGHT,
    samples_from=MIDNIGHT - 35 * DAY,
    hours_from=MIDNIGHT - 100 * DAY,
)
MOMENTS = st.datetimes(datetime(2026, 6, 1), datetime(2026, 11, 21), timezones=st.just(UTC))  # noqa: DTZ001
BUCKETS = st.sampled_from([None, timedelta(minutes=5), HOUR, 6 * HOUR, DAY, 7 * DAY, timedelta(minutes=90)])


def sources(segments: tuple[Segment, ...]) -> list[str]:
    return [segment.source.value for segment in segments]


@given(MOMENTS, MOMENTS, BUCKETS)
def test_segments_follow_each_other_without_gap(one: datetime, other: datetime, bucket: timedelta | None) -> None:
    """And roll-ups start and end at whole hours or days that are computed and kept."""
    segments = plan_segments(min(one, other), max(one, other), horizon=HORIZON, bucket=bucket)
    assert all(segment.start < segment.end for segment in segments)
    assert all(before.end == after.start for before, after in pairwise(segments))
    for segment in segments:
        unit = {Source.RAW: timedelta(microseconds=1), Source.HOUR: HOUR, Source.DAY: DAY}[segment.source]
        assert floor_to(segment.start, unit) == segment.start
        assert floor_to(segment.end, unit) == segment.end
        if segment.source is Source.RAW:
            assert segment.start >= HORIZON.samples_from
        if segment.source is Source.HOUR:
            assert HORIZON.hours_from <= segment.start
            assert segment.end <= HORIZON.hours_computed_at
        if segment.source is Source.DAY:
            assert segment.end <= HORIZON.days_computed_at


@given(MOMENTS, MOMENTS, BUCKETS)
def test_a_window_that_is_kept_whole_is_covered_exactly(
    one: datetime, other: datetime, bucket: timedelta | None
) -> None:
    """Not a millisecond more or less than was asked for."""
    start, end = max(min(one, other), HORIZON.samples_from), max(one, other)
    segments = plan_segments(start, end, horizon=HORIZON, bucket=bucket)
    covered = (segments[0].start, segments[-1].end) if segments else (end, end)
    assert covered == (min(start, end), end) or end <= start


@pytest.mark.parametrize(
    ("start", "end", "bucket", "expected"),
    [
        (NOW - timedelta(minutes=15), NOW, None, ["raw"]),
        (NOW - HOUR, NOW, None, ["raw"]),
        (NOW - 2 * HOUR, NOW, None, ["raw", "hour", "raw"]),
        (NOW - 3 * DAY, NOW, None, ["raw", "hour", "day", "hour", "raw"]),
        (MIDNIGHT - 3 * DAY, MIDNIGHT, None, ["day"]),
        (NOW - 3 * DAY, NOW, HOUR, ["raw", "hour", "raw"]),
        (NOW - 3 * DAY, NOW, timedelta(minutes=5), ["raw"]),
        (NOW - 3 * DAY, NOW, DAY, ["raw", "hour", "day", "hour", "raw"]),
    ],
)
def test_the_coarsest_source_that_fits_is_used(
    start: datetime, end: datetime, bucket: timedelta | None, expected: list[str]
) -> None:
    """Edges are finer than the middle; a bucket may keep a source out."""
    segments = plan_segments(start, end, horizon=HORIZON, bucket=bucket)
    assert sources(segments) == expected


def test_where_samples_are_gone_the_edge_is_a_whole_hour() -> None:
    """Wider than asked for, rather than silently missing its first part."""
    start = NOW - 40 * DAY
    segments = plan_segments(start, NOW, horizon=HORIZON)
    assert (segments[0].source, segments[0].start) == (Source.HOUR, floor_to(start, HOUR))


def test_where_hours_are_gone_the_edge_is_a_whole_day() -> None:
    """The same, a step coarser; a window of one old hour is answered by its day."""
    start = NOW - 200 * DAY
    segments = plan_segments(start, start + HOUR, horizon=HORIZON)
    assert segments == (Segment(Source.DAY, floor_to(start, DAY), ceil_to(start + HOUR, DAY)),)


def test_buckets_finer_than_what_is_kept_start_where_it_is_kept() -> None:
    """Five-minute buckets of 40 days ago cannot be had any more."""
    (segment,) = plan_segments(NOW - 40 * DAY, NOW, horizon=HORIZON, bucket=timedelta(minutes=5))
    assert segment == Segment(Source.RAW, HORIZON.samples_from, NOW)
    assert plan_raw(NOW - 40 * DAY, NOW - 39 * DAY, horizon=HORIZON) == ()
