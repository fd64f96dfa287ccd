"""Which conditions can be judged, and of which monitors."""

from datetime import timedelta

import pytest

from shared.domain.matchers import parse_matchers
from shared.domain.rule.condition_checks import (
    KINDS,
    ConditionError,
    check_condition,
    figures_of,
    kinds_judged,
    kinds_selected,
)
from shared.domain.rule.conditions import AllOf, Cel
from shared.domain.rule.expressions import parse_expression

MONTH = timedelta(days=31)


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("p95(duration_ms, 5m) > 300", KINDS),
        ("state == down", KINDS),
        ("latest(size_bytes) > 5 MB", {"http", "file"}),
        ("latest(certificate_days) < 14", {"http"}),
        ("latest(value) > 60 and latest(rows) > 1", {"database"}),
        ("state == down or latest(age_seconds) > 60", {"file"}),
        ('cel("x > 1.0", x = latest(exit_status))', {"heartbeat"}),
    ],
)
def test_a_rule_judges_the_kinds_that_have_all_its_metrics(text: str, kinds: set[str]) -> None:
    """A monitor without one of the metrics is not judged by the rule."""
    condition = parse_expression(text)
    check_condition(condition, kept=MONTH)
    assert kinds_judged(condition) == kinds


@pytest.mark.parametrize(
    ("selector", "kinds"),
    [
        ("", KINDS),
        ("team=web", KINDS),
        ("kind=http", {"http"}),
        ('kind=~"http|file", team=web', {"http", "file"}),
        ("kind!=http", KINDS - {"http"}),
        ("kind=nothing", set[str]()),
    ],
)
def test_a_selector_may_name_kinds(selector: str, kinds: set[str]) -> None:
    """Only what it says of the kind narrows the kinds."""
    assert kinds_selected(parse_matchers(selector)) == kinds


@pytest.mark.parametrize(
    ("text", "kinds", "mistake"),
    [
        ("latest(nothing) > 1", KINDS, 'there is no metric "nothing"; monitors of any kind have age_seconds'),
        ("latest(value) > 1", {"http"}, 'there is no metric "value"; monitors of the kind http have certificate'),
        ("latest(value) > 1 and latest(status) > 1", KINDS, "no kind of monitor has all of status, value"),
        ("uptime(31d) < 99%", KINDS, "uptime(31d) looks back 31d, and samples are kept for 2d"),
        ("absent(31d)", KINDS, "absent(31d) looks back 31d, and samples are kept for 2d"),
        ("uptime(1h) < 0.99", KINDS, "an uptime is in percent: write 99% for 0.99"),
        ("slo(0.999)", KINDS, "an objective is in percent: write 99.9% for 0.999"),
        ("burn_rate(0.99, 1h) > 2", KINDS, "an objective is in percent: write 99% for 0.99"),
        ('cel("x > 1.0", y = latest(rows))', KINDS, "the CEL expression has the unknown variable x"),
    ],
)
def test_what_nobody_could_judge_is_refused(text: str, kinds: frozenset[str], mistake: str) -> None:
    """Unknown metrics, windows longer than samples are kept and bad CEL are told with what there is instead."""
    with pytest.raises(ConditionError) as caught:
        check_condition(parse_expression(text), kinds=frozenset(kinds), kept=timedelta(days=2))
    assert str(caught.value).startswith(mistake)


def test_what_cannot_be_written_in_one_line_is_refused() -> None:
    """A condition given as JSON may not be longer than one that is read from a line."""
    condition = AllOf(all=[Cel(cel="true" + " " * 120)] * 20)
    with pytest.raises(ConditionError, match="2,000 characters"):
        check_condition(condition, kept=MONTH)


def test_figures_are_told_in_their_order() -> None:
    """Those named for CEL count too."""
    text = 'latest(rows) > 1 and cel("x > 1.0", x = latest(value), y = uptime(1h))'
    assert [figure.metric for figure in figures_of(parse_expression(text))] == ["rows", "value", None]
