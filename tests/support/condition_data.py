"""Conditions of every kind, as Hypothesis makes them."""

from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from shared.domain.rule.conditions import Absent, AllOf, AnyOf, Cel, Comparison, Condition, Operator, Slo, StateIs
from shared.domain.rule.figures import MAX_WINDOW, Figure
from shared.domain.target.outcome import Outcome

METRICS = ("duration_ms", "value", "size_bytes", "age_seconds", "certificate_days", "status")
_MILLISECOND = timedelta(milliseconds=1)

windows = st.one_of(
    st.sampled_from([timedelta(minutes=5), timedelta(hours=1), timedelta(days=7)]),
    st.integers(1000, MAX_WINDOW // _MILLISECOND).map(lambda count: count * _MILLISECOND),
)
metrics = st.sampled_from(METRICS)
numbers = st.one_of(
    st.integers(-(10**7), 10**7).map(float), st.floats(allow_nan=False, allow_infinity=False), st.just(5e6)
)
objectives = st.floats(0.001, 99.999)
percentiles = st.one_of(
    st.sampled_from(["p50", "p95", "p99.9", "p100"]), st.integers(0, 99).map("p{}".format), st.just("p07")
)

figures: SearchStrategy[Figure] = st.one_of(
    st.builds(Figure, aggregate=st.just("count"), outcome=st.none() | st.sampled_from(Outcome), window=windows),
    st.builds(Figure, aggregate=st.just("uptime"), window=windows),
    st.builds(Figure, aggregate=st.just("burn_rate"), objective=objectives, window=windows),
    st.builds(Figure, aggregate=st.just("latest"), metric=metrics, window=st.none() | windows),
    st.builds(
        Figure,
        aggregate=st.sampled_from(["sum", "mean", "min", "max", "rate", "increase"]) | percentiles,
        metric=metrics,
        window=windows,
    ),
)


@st.composite
def comparisons(draw: st.DrawFn) -> Comparison:
    """A comparison, sometimes with a recovery on its good side."""
    operator, value = draw(st.sampled_from(Operator)), draw(numbers)
    recover = None
    if operator in {Operator.GREATER, Operator.GREATER_OR_EQUAL}:
        recover = draw(st.none() | st.floats(max_value=value, allow_infinity=False))
    elif operator in {Operator.LESS, Operator.LESS_OR_EQUAL}:
        recover = draw(st.none() | st.floats(min_value=value, allow_infinity=False))
    return Comparison(figure=draw(figures), op=operator, value=value, recover=recover)


_states = st.lists(st.sampled_from(["up", "degraded", "down", "no_data"]), min_size=1, max_size=4)
_cel_texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30)
_cel_names = st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True)

leaves: SearchStrategy[Condition] = st.one_of(
    comparisons(),
    st.builds(StateIs, state=_states),
    st.builds(Absent, absent=windows),
    st.builds(Absent, intervals=st.integers(1, 1000)),
    st.builds(Slo, slo=objectives),
    st.builds(Cel, cel=_cel_texts, let=st.dictionaries(_cel_names, figures, max_size=2)),
)


def conditions(max_leaves: int = 8) -> SearchStrategy[Condition]:
    """Conditions made of up to so many others."""
    pairs = st.lists(leaves, min_size=1, max_size=2)
    inner = st.one_of(leaves, pairs.map(lambda parts: AllOf(all=parts)), pairs.map(lambda parts: AnyOf(any=parts)))
    parts = st.lists(inner, min_size=1, max_size=max(1, max_leaves // 2))
    return st.one_of(inner, parts.map(lambda found: AllOf(all=found)), parts.map(lambda found: AnyOf(any=found)))
