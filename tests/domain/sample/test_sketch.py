"""Sketches keep percentiles within 1 %, merge without loss, and survive their encoding."""

import math
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.sample.sketch import ALPHA, EMPTY, SMALLEST, Sketch, decode_merged, slot_of, values_of

FINITE = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.lists(st.one_of(FINITE, st.floats(min_value=0.001, max_value=60_000)), min_size=1, max_size=200)
FRACTIONS = st.floats(min_value=0.001, max_value=1)
TOLERANCE = ALPHA * (1 + 1e-9)
"""The bound, with room for the rounding of logarithms."""


def same(one: Sketch, other: Sketch) -> bool:
    return one.slots.tolist() == other.slots.tolist() and one.counts.tolist() == other.counts.tolist()


@given(VALUES, FRACTIONS)
def test_a_quantile_is_within_one_percent_of_the_value_of_that_rank(values: list[float], fraction: float) -> None:
    """For any values and fraction, as `percentile_disc` defines the rank."""
    exact = sorted(values)[max(math.ceil(fraction * len(values)), 1) - 1]
    (estimate,) = Sketch.of(values).quantiles([fraction])
    assert estimate is not None
    assert abs(estimate - exact) <= max(TOLERANCE * abs(exact), SMALLEST)


@given(FINITE, FINITE)
def test_slots_sort_like_the_values(one: float, other: float) -> None:
    """So that walking the slots is walking the values."""
    low, high = sorted((one, other))
    assert slot_of(low) <= slot_of(high)


@given(st.lists(VALUES, max_size=6))
def test_merging_is_the_sketch_of_all_values_at_once(parts: list[list[float]]) -> None:
    """However the values were divided."""
    together = Sketch.of([value for part in parts for value in part])
    assert same(Sketch.merged([Sketch.of(part) for part in parts]), together)


@given(VALUES, VALUES, VALUES)
def test_merging_does_not_depend_on_the_order(one: list[float], two: list[float], three: list[float]) -> None:
    """(1 + 2) + 3 is 3 + (2 + 1)."""
    a, b, c = Sketch.of(one), Sketch.of(two), Sketch.of(three)
    left = Sketch.merged([Sketch.merged([a, b]), c])
    assert same(left, Sketch.merged([c, Sketch.merged([b, a])]))


@given(st.lists(st.lists(st.one_of(st.just([]), VALUES), max_size=4), max_size=5))
def test_decoding_merges_each_group_of_encoded_sketches(groups: list[list[list[float]]]) -> None:
    """Groups and sketches may be empty; groups stay apart."""
    encoded = [[Sketch.of(values).encode() for values in group] for group in groups]
    for group, merged in zip(groups, decode_merged(encoded), strict=True):
        assert same(merged, Sketch.of([value for values in group for value in values]))


@given(st.dictionaries(st.integers(-37_000, 37_000), st.integers(1, 2**31 - 1), min_size=1, max_size=50))
def test_large_counts_and_distant_slots_survive_the_encoding(counted: dict[int, int]) -> None:
    """Numbers of several bytes, next to numbers of one."""
    sketch = Sketch.from_counts(*zip(*sorted(counted.items()), strict=True))
    (decoded,) = decode_merged([[sketch.encode()]])
    assert same(decoded, sketch)
    assert decoded.count == sum(counted.values())


@pytest.mark.parametrize("value", [0.0, -0.0, SMALLEST / 2, -SMALLEST / 2, sys.float_info.min])
def test_what_is_next_to_zero_is_zero(value: float) -> None:
    """Its slot is 0, and the value of slot 0 is 0."""
    assert slot_of(value) == 0
    assert values_of(Sketch.of([value]).slots).tolist() == [0.0]


@pytest.mark.parametrize("value", [sys.float_info.max, -sys.float_info.max, SMALLEST, -SMALLEST])
def test_the_extremes_have_slots_of_their_own(value: float) -> None:
    """The greatest number does not overflow, the smallest is told from zero."""
    (estimate,) = Sketch.of([value]).quantiles([0.5])
    assert estimate == pytest.approx(value, rel=TOLERANCE)


def test_an_empty_sketch_has_no_quantiles() -> None:
    """None, rather than a number that nobody measured."""
    assert EMPTY.quantiles([0.5, 0.99]) == [None, None]
    assert EMPTY.count == 0
    assert same(Sketch.merged([]), EMPTY)


def test_a_sketch_of_a_later_version_is_refused() -> None:
    """Rather than read as numbers it does not mean."""
    with pytest.raises(ValueError, match="later version"):
        decode_merged([[b"\x02\x01\x01"]])


def test_an_hour_of_latencies_takes_about_two_bytes_a_bucket() -> None:
    """60 values between 10 and 20 ms: 35 buckets at most."""
    values = [10 + (index * 37 % 60) / 6 for index in range(60)]
    assert len(Sketch.of(values).encode()) <= 2 + 2 * 36
