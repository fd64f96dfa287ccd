"""Sums up columns of samples as roll-ups do."""

from datetime import timedelta

import numpy as np

from shared.domain.monitor.slots import LATE_AFTER
from shared.domain.sample.sample_columns import SampleColumns, moment_at
from shared.domain.sample.sketch import Sketch
from shared.domain.sample.summary import Summary
from shared.domain.target.outcome import Outcome

_LATE_MS = LATE_AFTER / timedelta(milliseconds=1)


def summarise(samples: SampleColumns, place: int) -> Summary:
    """The summary of the values at a place; those of our own errors are left out."""
    counts = np.bincount(samples.outcomes, minlength=len(Outcome))
    outcomes = {outcome: int(counts[outcome.code]) for outcome in Outcome}
    values = samples.values_at(place)
    chosen = np.flatnonzero(~np.isnan(values) & (samples.outcomes != Outcome.ERROR.code))
    if not len(chosen):
        return Summary(outcomes=outcomes)
    numbers = values[chosen]
    return Summary(
        outcomes=outcomes,
        value_count=len(numbers),
        value_sum=float(numbers.sum()),
        value_min=float(numbers.min()),
        value_max=float(numbers.max()),
        latest=float(numbers[-1]),
        latest_at=moment_at(int(samples.moments[chosen[-1]])),
        sketch=Sketch.of(numbers.tolist()),
    )


def count_late(samples: SampleColumns, lag_place: int | None) -> int:
    """How many looks were begun late; `lag_place` says where their lag is kept. Our own errors are only errors."""
    if lag_place is None:
        return 0
    lags = samples.values_at(lag_place)
    return int(np.count_nonzero((lags > _LATE_MS) & (samples.outcomes != Outcome.ERROR.code)))
