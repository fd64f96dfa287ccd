"""Where many jobs' time went: figures of each segment over a sample of jobs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from shared.domain.job.timeline import NO_TIME, Timeline, TimeSegment


@dataclass(frozen=True, slots=True)
class WaitFigures:
    """How long jobs spent in one segment; `share` is its part of all their time, percentiles are over jobs."""

    segment: TimeSegment
    share: float
    mean: timedelta
    p50: timedelta
    p95: timedelta
    p99: timedelta
    longest: timedelta


def sum_up(timelines: Sequence[Timeline]) -> list[WaitFigures]:
    """The figures of each segment over the jobs, none for no jobs; a job that spent nothing there counts as zero."""
    if not timelines:
        return []
    totals = [timeline.totals for timeline in timelines]
    whole = sum((timeline.duration for timeline in timelines), NO_TIME)
    return [_figures(segment, sorted(each[segment] for each in totals), whole=whole) for segment in TimeSegment]


def _figures(segment: TimeSegment, values: Sequence[timedelta], *, whole: timedelta) -> WaitFigures:
    total = sum(values, NO_TIME)
    return WaitFigures(
        segment=segment,
        share=total / whole if whole else 0.0,
        mean=total / len(values),
        p50=_percentile(values, 0.5),
        p95=_percentile(values, 0.95),
        p99=_percentile(values, 0.99),
        longest=values[-1],
    )


def _percentile(values: Sequence[timedelta], fraction: float) -> timedelta:
    """The nearest rank of sorted values."""
    return values[max(math.ceil(fraction * len(values)), 1) - 1]
