"""Where many jobs' time went."""

from datetime import UTC, datetime, timedelta

from shared.domain.job.jobs import JobState
from shared.domain.job.timeline import JobLife, TimeSegment, timeline_of
from shared.domain.job.waits import sum_up

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def test_waits_are_summed_up_over_jobs() -> None:
    """Shares are of all time, percentiles over jobs; who never waited counts as zero."""
    timelines = [
        timeline_of(JobLife(NOON, JobState.CANCELLED, run_at=NOON, queued_at=NOON, finished_at=at(end)), [], now=NOON)
        for end in range(1, 101)
    ]
    figures = {each.segment: each for each in sum_up(timelines)}
    ring = figures[TimeSegment.RING]
    assert [each.total_seconds() for each in (ring.mean, ring.p50, ring.p95, ring.p99, ring.longest)] == [
        50.5,
        50,
        95,
        99,
        100,
    ]
    assert ring.share == 1.0
    assert figures[TimeSegment.RUN].longest == timedelta(0)
    assert sum_up([]) == []
