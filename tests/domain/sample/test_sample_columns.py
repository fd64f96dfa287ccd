"""Columns of samples are cut and merged as a plain program cuts and merges rows."""

from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.sample.sample_columns import EMPTY, SampleColumns, microseconds_of, moment_at

NOON = datetime(2025, 3, 12, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
ROWS = st.dictionaries(st.integers(0, 30), st.tuples(st.integers(0, 3), st.floats(0, 9)), max_size=20)


def columns(rows: dict[int, tuple[int, float]], place: int = 0) -> SampleColumns:
    """Samples by their second after noon."""
    order = sorted(rows)
    return SampleColumns(
        np.array([microseconds_of(NOON + second * SECOND) for second in order], dtype=np.int64),
        np.array([rows[second][0] for second in order], dtype=np.uint8),
        {place: np.array([rows[second][1] for second in order], dtype=np.float64)},
    )


@given(st.lists(ROWS, min_size=1, max_size=4))
def test_of_two_at_the_same_time_the_earlier_part_stays(parts: list[dict[int, tuple[int, float]]]) -> None:
    """And all are in the order of their times."""
    expected: dict[int, tuple[int, float]] = {}
    for part in reversed(parts):
        expected |= part
    merged, plain = SampleColumns.merged([columns(part) for part in parts]), columns(expected)
    assert merged.moments.tolist() == plain.moments.tolist()
    assert merged.outcomes.tolist() == plain.outcomes.tolist()
    assert merged.values_at(0).tolist() == plain.values_at(0).tolist()


@given(ROWS, st.integers(0, 31), st.integers(0, 31))
def test_a_stretch_of_time_is_half_open(rows: dict[int, tuple[int, float]], first: int, last: int) -> None:
    """The start is in it, the end is not."""
    part = columns(rows).between(NOON + first * SECOND, NOON + last * SECOND)
    expected = [NOON + second * SECOND for second in sorted(rows) if first <= second < last]
    assert [moment_at(moment) for moment in part.moments.tolist()] == expected


def test_a_place_that_one_part_lacks_is_absent_there() -> None:
    """Metrics may come with a later version."""
    merged = SampleColumns.merged([columns({1: (0, 5.0)}), columns({2: (1, 7.0)}, place=2), EMPTY])
    assert np.array_equal(merged.values_at(0), [5.0, np.nan], equal_nan=True)
    assert [merged.packed_metrics(index) for index in (0, 1)] == [[], [None, 7.0]]
