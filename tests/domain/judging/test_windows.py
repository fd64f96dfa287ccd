"""Windows in parts, held against the samples themselves."""

import math
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.judging.figure_reading import FigureRead, merge_specs, read_figure, window_of
from shared.domain.judging.window_codec import Windows, WindowShape, decode_windows
from shared.domain.judging.windows import PARTS, Ring, WindowSpec
from shared.domain.rule.figures import Figure
from shared.domain.target.outcome import Outcome

BASE_MS = 1_750_000_000_000
UP, DOWN, ERROR = Outcome.UP.code, Outcome.DOWN.code, Outcome.ERROR.code

Raw = tuple[int, int, float | None]
"""A sample: its moment in milliseconds, its outcome's code, its value."""

values = st.one_of(
    st.none(), st.floats(min_value=-1e6, max_value=1e6, allow_nan=False, width=32), st.integers(-3, 3).map(float)
)
raws = st.lists(
    st.tuples(st.integers(0, 400_000).map(lambda ms: BASE_MS + ms), st.integers(0, 3), values),
    max_size=60,
    unique_by=lambda raw: raw[0],
)
FIGURES = [
    Figure(aggregate="count", window=timedelta(minutes=1)),
    Figure(aggregate="count", outcome=Outcome.DOWN, window=timedelta(minutes=1)),
    Figure(aggregate="uptime", window=timedelta(minutes=1)),
    Figure(aggregate="burn_rate", objective=99.0, window=timedelta(minutes=1)),
    *(
        Figure(aggregate=aggregate, metric="value", window=timedelta(minutes=1))
        for aggregate in ("sum", "mean", "min", "max", "latest", "increase", "rate", "p50", "p95", "p100")
    ),
]
SPECS = merge_specs([window_of(figure) for figure in FIGURES])
SHAPE = WindowShape.of(SPECS)


def ring_of(windows: Windows, figure: Figure) -> Ring:
    return next(ring for ring in windows.rings if ring.spec.metric == figure.metric)


def add_all(windows: Windows, samples: list[Raw]) -> Windows:
    for at_ms, outcome, value in samples:
        for ring in windows.rings:
            ring.add(at_ms, outcome, value)
    return windows


def modelled(figure: Figure, samples: list[Raw], at_ms: int) -> FigureRead:
    """The figure of the samples themselves, over the parts that a window reaches over."""
    part_ms = window_of(figure).part_ms
    last = at_ms // part_ms
    inside = sorted(each for each in samples if last - PARTS < each[0] // part_ms <= last)
    outcomes = [outcome for _, outcome, _ in inside]
    known = [outcome for outcome in outcomes if outcome != ERROR]
    if figure.metric is None:
        return modelled_outcomes(figure, outcomes, known)
    found = [(ms, value) for ms, outcome, value in inside if outcome != ERROR and value is not None]
    numbers = [value for _, value in found]
    if not numbers:
        return FigureRead(None, 0)
    growth = [after - before if after >= before else after for before, after in pairwise(numbers)]
    seconds = (found[-1][0] - found[0][0]) / 1000
    answers = {
        "sum": lambda: math.fsum(numbers),
        "mean": lambda: math.fsum(numbers) / len(numbers),
        "min": lambda: min(numbers),
        "max": lambda: max(numbers),
        "latest": lambda: numbers[-1],
        "increase": lambda: math.fsum(growth) if growth else None,
        "rate": lambda: math.fsum(growth) / seconds if growth else None,
    }
    if figure.percentile is not None:
        rank = max(math.ceil(figure.percentile / 100 * len(numbers)), 1)
        return FigureRead(sorted(numbers)[rank - 1], len(numbers))
    return FigureRead(answers[figure.aggregate](), len(numbers))


def modelled_outcomes(figure: Figure, outcomes: list[int], known: list[int]) -> FigureRead:
    if figure.aggregate == "count":
        if not outcomes:
            return FigureRead(None, 0)
        counted = known if figure.outcome is None else [each for each in outcomes if each == figure.outcome.code]
        return FigureRead(float(len(counted)), len(outcomes))
    if not known:
        return FigureRead(None, 0)
    bad = known.count(DOWN) / len(known)
    if figure.aggregate == "uptime":
        return FigureRead(100 * (1 - bad), len(known))
    return FigureRead(bad / (1 - (figure.objective or 0) / 100), len(known))


def assert_same(figure: Figure, read: FigureRead, model: FigureRead) -> None:
    assert read.samples == model.samples
    if model.value is None or read.value is None:
        assert read.value is model.value is None
        return
    within = 0.0101 if figure.percentile is not None else 1e-9
    assert math.isclose(read.value, model.value, rel_tol=within, abs_tol=1e-6)


@settings(max_examples=150, deadline=None)
@given(raws, st.integers(0, 100_000))
def test_every_figure_is_that_of_the_samples_themselves(samples: list[Raw], later_ms: int) -> None:
    """To within a part; percentiles to within one per cent; through bytes after each sample."""
    samples.sort()
    windows = Windows.empty(SHAPE, awaited_ms=BASE_MS)
    for sample in samples:
        add_all(windows, [sample])
        read = decode_windows(SHAPE, windows.encode(SHAPE), windows.encode_past())
        assert read is not None
        windows = read
    at_ms = (samples[-1][0] if samples else BASE_MS) + later_ms
    for figure in FIGURES:
        assert_same(figure, read_figure(figure, ring_of(windows, figure), at_ms), modelled(figure, samples, at_ms))


@settings(max_examples=100, deadline=None)
@given(raws, st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(samples: list[Raw], random: object) -> None:
    """But to `growth`, which is of neighbours."""
    shuffled = list(samples)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    ordered = add_all(Windows.empty(SHAPE, awaited_ms=BASE_MS), sorted(samples))
    mixed = add_all(Windows.empty(SHAPE, awaited_ms=BASE_MS), shuffled)
    at_ms = max((each[0] for each in samples), default=BASE_MS)
    for figure in FIGURES:
        if figure.aggregate in {"rate", "increase"}:
            continue
        one, other = (read_figure(figure, ring_of(each, figure), at_ms) for each in (ordered, mixed))
        assert_same(figure, one, other)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 59_999), st.integers(0, 50)), min_size=2, max_size=40))
def test_a_counter_that_only_grows_increases_alike_in_any_order(steps: list[tuple[int, int]]) -> None:
    """What lies between two samples of a part is within their difference already."""
    total, counter = 0, {}
    for at_ms, step in sorted(steps):
        total += step
        counter[BASE_MS + at_ms] = float(total)
    spec = window_of(Figure(aggregate="increase", metric="value", window=timedelta(minutes=5)))
    ring = Ring(spec)
    for at_ms in [BASE_MS + ms for ms, _ in steps]:
        ring.add(at_ms, UP, counter[at_ms])
    figure = Figure(aggregate="increase", metric="value", window=timedelta(minutes=5))
    expected = max(counter.values()) - min(counter.values())
    read = read_figure(figure, ring, BASE_MS + 60_000)
    assert read.value is None if read.samples == 1 else math.isclose(read.value or 0, expected, abs_tol=1e-9)


def test_a_window_never_has_more_than_its_parts() -> None:
    """However many samples come, and however far apart."""
    windows = Windows.empty(SHAPE, awaited_ms=BASE_MS)
    for second in range(5_000):
        add_all(windows, [(BASE_MS + second * 997, UP, 1.0)])
        assert all(len(ring.parts) <= PARTS for ring in windows.rings)
    assert len(windows.encode(SHAPE)) < 6_000


def test_bytes_of_another_condition_or_version_are_not_read() -> None:
    """They are made anew from what is stored."""
    windows = Windows.empty(SHAPE, awaited_ms=BASE_MS)
    encoded, past = windows.encode(SHAPE), windows.encode_past()
    other = WindowShape.of([WindowSpec("value", timedelta(minutes=2), SPECS[1].columns, has_sketch=True)])
    assert decode_windows(SHAPE, encoded, past) is not None
    assert decode_windows(other, encoded, past) is None
    assert decode_windows(SHAPE, b"\xff" + encoded[1:], past) is None
    assert decode_windows(SHAPE, b"", b"") is None


def test_windows_without_their_past_are_not_read() -> None:
    """They are made anew too, rather than judged by half of what they were."""
    windows = add_all(Windows.empty(SHAPE, awaited_ms=BASE_MS), [(BASE_MS, UP, 1.0), (BASE_MS + 20_000, UP, 2.0)])
    assert decode_windows(SHAPE, windows.encode(SHAPE), windows.encode_past()) is not None
    assert decode_windows(SHAPE, windows.encode(SHAPE), b"") is None


def test_what_is_over_is_the_same_bytes_until_a_part_ends() -> None:
    """So a sample writes little, however much lies in the window."""
    window, step_ms = timedelta(hours=6), 10_000
    shape = WindowShape.of([window_of(Figure(aggregate="p95", metric="value", window=window))])
    windows, past, changes, sizes = Windows.empty(shape, awaited_ms=BASE_MS), b"", 0, set()
    for number in range(1, 3_000):
        read = decode_windows(shape, windows.encode(shape), windows.encode_past())
        assert read is not None
        windows = add_all(read, [(BASE_MS + number * step_ms, UP, 10.0 + number * 7 % 100)])
        changes, past = changes + (windows.encode_past() != past), windows.encode_past()
        sizes.add(len(windows.encode(shape)))
    assert changes <= 3_000 * step_ms // (720 * 1000) + 2
    assert max(sizes) < 3_000


@settings(max_examples=50, deadline=None)
@given(raws, st.randoms(use_true_random=False))
def test_late_samples_are_counted_through_bytes_too(samples: list[Raw], random: object) -> None:
    """Also in parts that are over, which are kept apart."""
    shuffled = list(samples)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    kept = Windows.empty(SHAPE, awaited_ms=BASE_MS)
    for sample in shuffled:
        read = decode_windows(SHAPE, kept.encode(SHAPE), kept.encode_past())
        assert read is not None
        kept = add_all(read, [sample])
    straight = add_all(Windows.empty(SHAPE, awaited_ms=BASE_MS), shuffled)
    assert kept.encode(SHAPE) == straight.encode(SHAPE)
    assert kept.encode_past() == straight.encode_past()


@pytest.mark.parametrize(
    ("seconds", "part_ms"), [(1, 1000), (30, 1000), (31, 1034), (300, 10_000), (86_400, 2_880_000)]
)
def test_a_part_is_a_thirtieth_and_a_second_at_least(seconds: int, part_ms: int) -> None:
    """Rounded up to whole milliseconds, so that no window is shorter than it says."""
    figure = Figure(aggregate="count", window=timedelta(seconds=seconds))
    assert window_of(figure).part_ms == part_ms
