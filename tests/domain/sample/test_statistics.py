"""Questions are checked, and summaries add up."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.sample.sketch import Sketch
from shared.domain.sample.statistics import (
    StatsQuery,
    StatsQueryError,
    UnknownMetricError,
    check_query,
    is_rolled_up,
    metric_positions,
)
from shared.domain.sample.summary import Summary, uptime_of
from shared.domain.target.outcome import Outcome

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
POINTS = st.lists(
    st.tuples(st.integers(0, 10_000), st.sampled_from(list(Outcome)), st.floats(-1e6, 1e6)), unique_by=lambda p: p[0]
)


def summary_of(points: list[tuple[int, Outcome, float]]) -> Summary:
    values = [(moment, value) for moment, outcome, value in points if outcome is not Outcome.ERROR]
    numbers = [value for _, value in values]
    newest = max(values, default=None)
    return Summary(
        outcomes={each: sum(outcome is each for _, outcome, _ in points) for each in Outcome},
        value_count=len(numbers),
        value_sum=sum(numbers),
        value_min=min(numbers, default=None),
        value_max=max(numbers, default=None),
        latest=newest[1] if newest else None,
        latest_at=NOON + timedelta(milliseconds=newest[0]) if newest else None,
        sketch=Sketch.of(numbers),
    )


@given(POINTS, st.integers(0, 5))
def test_merged_parts_give_the_figures_of_the_whole(points: list[tuple[int, Outcome, float]], cut: int) -> None:
    """However the samples were divided; the mean up to rounding."""
    parts = [points[:cut], points[cut : 2 * cut], points[2 * cut :]]
    merged = Summary.merged([summary_of(part) for part in parts]).figures([50, 99])
    whole = summary_of(points).figures([50, 99])
    assert merged.mean == (pytest.approx(whole.mean) if whole.mean is not None else None)
    for name in ("count", "min", "max", "latest", "latest_at", "percentiles", "outcomes", "uptime"):
        assert getattr(merged, name) == getattr(whole, name)


def test_figures_of_errors_alone_have_a_count_and_no_numbers() -> None:
    """Our own fault says nothing about the target, not even that it was down."""
    figures = summary_of([(1, Outcome.ERROR, 5.0)]).figures([50])
    assert (figures.count, figures.mean, figures.latest, figures.uptime) == (1, None, None, None)
    assert figures.percentiles == {"p50": None}


def test_percentiles_stay_between_the_extremes() -> None:
    """A single value is its own percentile, not the middle of its bucket."""
    assert summary_of([(1, Outcome.UP, 123.456)]).figures([50, 99.9]).percentiles == {"p50": 123.456, "p99.9": 123.456}


def test_degraded_counts_as_serving() -> None:
    """And errors do not count at all."""
    counts = {Outcome.UP: 6, Outcome.DEGRADED: 2, Outcome.DOWN: 2, Outcome.ERROR: 90}
    assert uptime_of(counts) == 0.8


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"end": NOON}, "empty"),
        ({"bucket": timedelta(milliseconds=1)}, "at least 1s"),
        ({"end": NOON + 10_001 * HOUR, "bucket": HOUR}, "10,000 buckets"),
        ({"percentiles": (0.0,)}, "percentiles"),
        ({"percentiles": (100.1,)}, "percentiles"),
        ({"percentiles": tuple(range(1, 30))}, "percentiles"),
        ({"group_by": "label"}, "label:team"),
        ({"group_label": "team"}, "label:team"),
    ],
)
def test_a_question_without_an_answer_is_refused(changes: dict[str, object], message: str) -> None:
    """And the refusal says what to do."""
    query = StatsQuery(**({"start": NOON, "end": NOON + HOUR} | changes))  # type: ignore[arg-type]
    with pytest.raises(StatsQueryError, match=message):
        check_query(query)


def test_every_question_of_a_usual_kind_is_accepted() -> None:
    """The greatest number of buckets, and grouping by a label, included."""
    check_query(StatsQuery(NOON, NOON + 10_000 * HOUR, bucket=HOUR))
    check_query(StatsQuery(NOON, NOON + HOUR, group_by="label", group_label="team", percentiles=(0.1, 100)))


def test_a_metric_is_found_in_each_kind_that_keeps_it() -> None:
    """At the place where the kind packs it; the duration comes first everywhere."""
    assert metric_positions("size_bytes", None) == {"http": 7, "file": 1}
    assert metric_positions("size_bytes", "file") == {"file": 1}
    assert set(metric_positions("duration_ms", None).values()) == {0}


@pytest.mark.parametrize(("metric", "kind"), [("nonsense", None), ("rows", "http"), ("age_seconds", "no such kind")])
def test_an_unknown_metric_is_told_with_those_that_are_known(metric: str, kind: str | None) -> None:
    """So that the next question can be right."""
    with pytest.raises(UnknownMetricError, match="duration_ms") as caught:
        metric_positions(metric, kind)
    assert metric not in caught.value.known


def test_roll_ups_answer_only_if_every_kind_has_them() -> None:
    """HTTP's size is not rolled up, a file's is."""
    assert is_rolled_up("size_bytes", metric_positions("size_bytes", "file"))
    assert not is_rolled_up("size_bytes", metric_positions("size_bytes", None))
    assert is_rolled_up("duration_ms", metric_positions("duration_ms", None))
