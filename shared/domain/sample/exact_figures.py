"""Exact figures of many samples: whole columns are sorted and summed at once."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np

from shared.domain.sample.sample_columns import Moments, Outcomes, SampleColumns, Values, moment_at
from shared.domain.sample.statistics import Figures, percentile_name
from shared.domain.target.outcome import Outcome

_MICROSECOND = timedelta(microseconds=1)
_LONG = 20
"""From so many values for each owner on it is quicker to sort these apart than all at once."""


class MetricColumns(NamedTuple):
    """Samples of a series, and at which place its kind has the metric asked for."""

    samples: SampleColumns
    place: int


class _Points(NamedTuple):
    """Samples of a group, ascending in time; the value is NaN where absent, and where the sample is our own error."""

    moments: Moments
    outcomes: Outcomes
    values: Values


def exact_figures(
    series: Sequence[MetricColumns], *, bucket: timedelta | None, percentiles: Sequence[float]
) -> dict[datetime | None, Figures]:
    """The figures of all samples together, under None, and with a `bucket` those of each span that has one."""
    points = _join(series)
    if not len(points.moments):
        return {}
    figures: dict[datetime | None, Figures] = {}
    (figures[None],) = _figures(points, np.array([0, len(points.moments)]), percentiles)
    if bucket is None:
        return figures
    length = bucket // _MICROSECOND
    spans = points.moments // length
    edges = np.concatenate([[0], np.flatnonzero(np.diff(spans)) + 1, [len(spans)]])
    starts = [moment_at(span * length) for span in spans[edges[:-1]].tolist()]
    return figures | dict(zip(starts, _figures(points, edges, percentiles), strict=True))


def _join(series: Sequence[MetricColumns]) -> _Points:
    parts = [each for each in series if len(each.samples)]
    if not parts:
        return _Points(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.uint8), np.zeros(0))
    points = _Points(
        np.concatenate([each.samples.moments for each in parts]),
        np.concatenate([each.samples.outcomes for each in parts]),
        np.concatenate([each.samples.values_at(each.place) for each in parts]),
    )
    points.values[points.outcomes == Outcome.ERROR.code] = np.nan
    if len(parts) == 1:
        return points
    # Of several at one moment the greatest counts as the latest.
    order = np.lexsort((points.values, points.moments))
    return _Points(points.moments[order], points.outcomes[order], points.values[order])


def _figures(points: _Points, edges: Moments, percentiles: Sequence[float]) -> list[Figures]:
    """The figures between each two of the edges, which are places among the points."""
    owners = np.repeat(np.arange(len(edges) - 1), np.diff(edges))
    outcomes = np.bincount(owners * len(Outcome) + points.outcomes, minlength=(len(edges) - 1) * len(Outcome))
    chosen = np.flatnonzero(~np.isnan(points.values))
    sums = _sums(points.values[chosen], points.moments[chosen], owners[chosen], percentiles)
    names = [percentile_name(percentile) for percentile in percentiles]
    nothing = _Sums([None] * len(percentiles))
    return [
        _figures_of(counts, sums.get(owner, nothing), names)
        for owner, counts in enumerate(outcomes.reshape(-1, len(Outcome)).tolist())
    ]


def _figures_of(counts: Sequence[int], sums: "_Sums", names: Sequence[str]) -> Figures:
    """Plainly made, since there may be thousands."""
    up, degraded, down, error = counts
    judged = up + degraded + down
    return Figures(
        count=judged + error,
        mean=sums.total / sums.size if sums.size else None,
        min=sums.low,
        max=sums.high,
        latest=sums.latest,
        latest_at=None if sums.latest_at is None else moment_at(sums.latest_at),
        percentiles=dict(zip(names, sums.percentiles, strict=True)),
        outcomes={"up": up, "degraded": degraded, "down": down, "error": error},
        uptime=(up + degraded) / judged if judged else None,
    )


class _Sums(NamedTuple):
    """What values come to, in the order in which they are computed."""

    percentiles: Sequence[float | None]
    size: int = 0
    total: float = 0.0
    low: float | None = None
    high: float | None = None
    latest: float | None = None
    latest_at: int | None = None


def _sums(values: Values, moments: Moments, owners: Moments, percentiles: Sequence[float]) -> dict[int, _Sums]:
    """What each owner's values come to, where it has any; owners ascend."""
    if not len(values):
        return {}
    starts = np.concatenate([[0], np.flatnonzero(np.diff(owners)) + 1])
    ends = np.concatenate([starts[1:], [len(values)]])
    ordered = _sort_each(values, owners, starts)
    ranks = np.ceil(np.asarray(percentiles) / 100 * (ends - starts)[:, np.newaxis]).astype(np.int64)
    columns = (
        ordered[starts[:, np.newaxis] + np.maximum(ranks, 1) - 1].tolist(),
        (ends - starts).tolist(),
        np.add.reduceat(values, starts).tolist(),
        ordered[starts].tolist(),
        ordered[ends - 1].tolist(),
        values[ends - 1].tolist(),
        moments[ends - 1].tolist(),
    )
    return dict(zip(owners[starts].tolist(), map(_Sums, *columns), strict=True))


def _sort_each(values: Values, owners: Moments, starts: Moments) -> Values:
    """The values of each owner in ascending order."""
    if len(values) < _LONG * len(starts):
        return values[np.lexsort((values, owners))]
    ordered = values.copy()
    for part in np.split(ordered, starts[1:]):
        part.sort()
    return ordered
