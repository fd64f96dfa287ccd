"""Whether a condition can be judged: by which monitors, and by what is kept of them."""

from collections.abc import Iterable, Iterator
from datetime import timedelta

from shared.domain.durations import format_duration
from shared.domain.matchers import Matchers
from shared.domain.rule.cel import CelError, check_cel
from shared.domain.rule.conditions import Absent, Cel, Comparison, Condition, Slo, leaves_of
from shared.domain.rule.expression_tokens import MAX_EXPRESSION
from shared.domain.rule.expressions import format_expression, format_figure
from shared.domain.rule.figures import Aggregate, Figure
from shared.domain.target.kinds import METRICS

PRIMARY_METRIC = "duration_ms"
"""Every kind's."""
KINDS = frozenset(METRICS)


class ConditionError(ValueError):
    """A condition that no monitor could be judged by; the message says why."""


def kinds_judged(condition: Condition) -> frozenset[str]:
    """The kinds of monitors that have all metrics of a condition; those of other kinds are not judged."""
    return frozenset(kind for kind in KINDS if _metrics_of(condition) <= {PRIMARY_METRIC, *METRICS[kind]})


def kinds_selected(selector: Matchers) -> frozenset[str]:
    """The kinds of which a selector may find monitors."""
    by_kind = [term for term in selector.terms if term.name == "kind"]
    return frozenset(kind for kind in KINDS if all(term.matches({"kind": kind}) for term in by_kind))


def check_condition(condition: Condition, *, kinds: frozenset[str] = KINDS, kept: timedelta) -> None:
    """Hold a condition against what monitors of these kinds have, and how long samples are kept.

    Raises:
        ConditionError: it cannot be judged; the message says what there is instead.
    """
    for metric in sorted(_metrics_of(condition)):
        _check_metric(metric, kinds)
    if not kinds_judged(condition) & kinds:
        raise ConditionError(f"no kind of monitor has all of {', '.join(sorted(_metrics_of(condition)))}")
    for window, what in _windows_of(condition):
        if window > kept:
            raise ConditionError(
                f"{what} looks back {format_duration(window)}, and samples are kept for {format_duration(kept)}"
            )
    if len(format_expression(condition)) > MAX_EXPRESSION:
        raise ConditionError(f"a condition written in one line has {MAX_EXPRESSION:,} characters at most")
    for leaf in leaves_of(condition):
        _check_percent(leaf)
        if isinstance(leaf, Cel):
            _check_cel(leaf)


def _check_percent(leaf: Condition) -> None:
    """Refuse a share of one where percents are meant, by which no rule would ever be met."""
    match leaf:
        case Comparison(figure=Figure(aggregate=Aggregate.UPTIME), value=value) if 0 < value < 1:
            raise ConditionError(f"an uptime is in percent: write {value * 100:g}% for {value:g}")
        case Slo(slo=objective) | Comparison(figure=Figure(objective=float(objective))) if objective <= 1:
            raise ConditionError(f"an objective is in percent: write {objective * 100:g}% for {objective:g}")


def figures_of(condition: Condition) -> Iterator[Figure]:
    """The figures that a condition names, in their order."""
    for leaf in leaves_of(condition):
        if isinstance(leaf, Comparison):
            yield leaf.figure
        elif isinstance(leaf, Cel):
            yield from leaf.let.values()


def _metrics_of(condition: Condition) -> set[str]:
    return {figure.metric for figure in figures_of(condition) if figure.metric is not None}


def _check_metric(metric: str, kinds: Iterable[str]) -> None:
    there = {name for kind in kinds for name in (PRIMARY_METRIC, *METRICS[kind])}
    if metric not in there:
        raise ConditionError(
            f'there is no metric "{metric}"; monitors of {_listed(kinds)} have {", ".join(sorted(there))}'
        )


def _windows_of(condition: Condition) -> Iterator[tuple[timedelta, str]]:
    for figure in figures_of(condition):
        if figure.window is not None:
            yield figure.window, format_figure(figure)
    for leaf in leaves_of(condition):
        if isinstance(leaf, Absent) and leaf.absent is not None:
            yield leaf.absent, format_expression(leaf)


def _check_cel(condition: Cel) -> None:
    try:
        check_cel(condition)
    except CelError as error:
        raise ConditionError(str(error)) from None


def _listed(kinds: Iterable[str]) -> str:
    return "any kind" if set(kinds) == KINDS else f"the kind {', '.join(sorted(kinds))}"
