"""Exact figures are those of a plain computation, for any samples and any buckets."""

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.sample.exact_figures import MetricColumns, exact_figures
from shared.domain.sample.sample_columns import SampleColumns, microseconds_of
from shared.domain.sample.segments import floor_to
from shared.domain.sample.statistics import Figures
from shared.domain.target.outcome import OUTCOME_OF_CODE, Outcome

NOON = datetime(2025, 3, 12, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PERCENTILES = (0.1, 50.0, 99.9, 100.0)
Rows = dict[int, tuple[int, float | None]]
SERIES = st.dictionaries(
    st.integers(0, 300), st.tuples(st.integers(0, 3), st.one_of(st.none(), st.floats(-1e6, 1e6))), max_size=40
)


def columns(rows: Rows) -> MetricColumns:
    """Samples by their minute after noon."""
    order = sorted(rows)
    values = [math.nan if value is None else value for _, value in map(rows.__getitem__, order)]
    samples = SampleColumns(
        np.array([microseconds_of(NOON + minute * MINUTE) for minute in order], dtype=np.int64),
        np.array([rows[minute][0] for minute in order], dtype=np.uint8),
        {5: np.array(values, dtype=np.float64)},
    )
    return MetricColumns(samples, 5)


def assert_plain(figures: Figures, points: list[tuple[datetime, int, float | None]]) -> None:
    """Sorted and counted one by one."""
    numbers = sorted((at, value) for at, code, value in points if value is not None and code != Outcome.ERROR.code)
    values = sorted(value for _, value in numbers)
    assert figures.outcomes == {
        each.value: sum(OUTCOME_OF_CODE[code] is each for _, code, _ in points) for each in Outcome
    }
    if not values:
        assert (figures.mean, figures.max, figures.latest, set(figures.percentiles.values())) == (None,) * 3 + ({None},)
        return
    assert (figures.min, figures.max) == (values[0], values[-1])
    assert figures.mean == pytest.approx(math.fsum(values) / len(values), abs=1e-6)
    assert (figures.latest_at, figures.latest) == numbers[-1]
    ranks = [max(math.ceil(percentile / 100 * len(values)), 1) for percentile in PERCENTILES]
    assert list(figures.percentiles.values()) == [values[rank - 1] for rank in ranks]


@given(st.lists(SERIES, max_size=3), st.sampled_from([None, 7 * MINUTE, timedelta(hours=1)]))
def test_figures_are_those_of_a_plain_computation(series: list[Rows], bucket: timedelta | None) -> None:
    """Of one series or several, with values absent and errors of our own; spans without a sample are left out."""
    found = exact_figures([columns(rows) for rows in series], bucket=bucket, percentiles=PERCENTILES)
    points = [(NOON + minute * MINUTE, *row) for rows in series for minute, row in rows.items()]
    if not points:
        assert found == {}
        return
    assert_plain(found.pop(None), points)
    spans = {floor_to(at, bucket) for at, _, _ in points} if bucket else set()
    assert set(found) == spans
    for start, figures in found.items():
        assert start is not None
        assert bucket is not None
        assert_plain(figures, [point for point in points if start <= point[0] < start + bucket])
