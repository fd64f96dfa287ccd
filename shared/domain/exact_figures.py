"""Exact figures of many samples: whole columns are sorted and summed at once."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from shared.domain.outcome import OUTCOME_OF_CODE, Outcome
from shared.domain.sample_columns import Moments, Outcomes, SampleColumns, Values, moment_at
from shared.domain.statistics import Figures
from shared.domain.summary import Summary

_MICROSECOND = timedelta(microseconds=1)


class MetricColumns(NamedTuple):
    """Samples of a series, and at which place its kind has the metric asked for."""

    samples: SampleColumns
    place: int


class _Points(NamedTuple):
    """Samples of a group, ascending in time; the value is NaN where absent, and where the sample is our own error."""

    moments: Moments
    outcomes: Outcomes
    values: Values

    def part(self, rows: slice | Moments) -> "_Points":
        """Some of them, in the order of `rows`."""
        return _Points(self.moments[rows], self.outcomes[rows], self.values[rows])


def exact_figures(
    series: Sequence[MetricColumns], *, bucket: timedelta | None, percentiles: Sequence[float]
) -> dict[datetime | None, Figures]:
    """The figures of all samples together, under None, and with a `bucket` those of each span that has one."""
    points = _join(series)
    if not len(points.moments):
        return {}
    figures: dict[datetime | None, Figures] = {None: _figures(points, percentiles)}
    if bucket is None:
        return figures
    spans = points.moments // (bucket // _MICROSECOND)
    edges = [0, *(np.flatnonzero(np.diff(spans)) + 1).tolist(), len(spans)]
    for first, last in pairwise(edges):
        start = moment_at(int(spans[first]) * (bucket // _MICROSECOND))
        figures[start] = _figures(points.part(slice(first, last)), percentiles)
    return figures


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
    return points.part(order)


def _figures(points: _Points, percentiles: Sequence[float]) -> Figures:
    counts = np.bincount(points.outcomes, minlength=len(Outcome)).tolist()
    outcomes = {OUTCOME_OF_CODE[code]: count for code, count in enumerate(counts)}
    chosen = np.flatnonzero(~np.isnan(points.values))
    if not len(chosen):
        return Summary(outcomes=outcomes).figures_with([None] * len(percentiles), percentiles)
    values = np.sort(points.values[chosen])
    ranks = np.maximum(np.ceil(np.asarray(percentiles) / 100 * len(values)).astype(np.int64), 1)
    summary = Summary(
        outcomes=outcomes,
        value_count=len(values),
        value_sum=float(values.sum()),
        value_min=float(values[0]),
        value_max=float(values[-1]),
        latest=float(points.values[chosen[-1]]),
        latest_at=moment_at(int(points.moments[chosen[-1]])),
    )
    return summary.figures_with(values[ranks - 1].tolist(), percentiles)
