"""Conditions in one line."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.rule.conditions import (
    MAX_PARTS,
    Absent,
    AllOf,
    AnyOf,
    Cel,
    Comparison,
    Condition,
    Operator,
    Slo,
    StateIs,
)
from shared.domain.rule.expression_tokens import MAX_EXPRESSION, ExpressionError
from shared.domain.rule.expressions import format_expression, parse_expression
from shared.domain.rule.figures import Figure
from shared.domain.rule.plain_conditions import plain_condition
from shared.domain.target.outcome import Outcome
from tests.support.condition_data import conditions

FIVE_MINUTES = timedelta(minutes=5)
SLOW = Figure(aggregate="p95", metric="duration_ms", window=FIVE_MINUTES)


@settings(max_examples=300)
@given(conditions())
def test_what_is_written_is_read_again(condition: Condition) -> None:
    """A condition in one line is the same condition, in its plainest form."""
    text = format_expression(condition)
    if len(text) <= MAX_EXPRESSION:
        assert parse_expression(text) == plain_condition(condition)
        assert format_expression(parse_expression(text)) == text


_WORDS = (
    "state",
    "==",
    "down",
    "in",
    "(",
    ")",
    ",",
    "p95",
    "duration_ms",
    "5m",
    ">",
    "300",
    "%",
    "and",
    "cel",
    '"x"',
    "=",
)


@settings(max_examples=300)
@given(st.one_of(st.text(max_size=30), st.lists(st.sampled_from(_WORDS), max_size=12).map(" ".join)))
def test_any_text_is_read_or_told_to_be_wrong(text: str) -> None:
    """Nothing that people may write makes anything but a condition, or a mistake that says where."""
    try:
        condition = parse_expression(text)
    except ExpressionError as error:
        said = str(error)
    else:
        said = "column" if parse_expression(format_expression(condition)) == condition else "another condition"
    assert said.startswith("column")


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("p95(duration_ms, 5m) > 300", Comparison(figure=SLOW, op=Operator.GREATER, value=300)),
        (
            "p95(duration_ms, 5m) > 300 recover 250",
            Comparison(figure=SLOW, op=Operator.GREATER, value=300, recover=250),
        ),
        (
            "count(down, 10m) >= 3",
            Comparison(
                figure=Figure(aggregate="count", outcome=Outcome.DOWN, window=timedelta(minutes=10)),
                op=Operator.GREATER_OR_EQUAL,
                value=3,
            ),
        ),
        ("state == down", StateIs(state=["down"])),
        ("state in (down, degraded)", StateIs(state=["down", "degraded"])),
        ("absent(5m)", Absent(absent=FIVE_MINUTES)),
        ("absent(3 intervals)", Absent(intervals=3)),
        ("absent(1 interval)", Absent(intervals=1)),
        ("slo(99.9%)", Slo(slo=99.9)),
        (
            "burn_rate(99.9%, 5m) > 14.4",
            Comparison(
                figure=Figure(aggregate="burn_rate", objective=99.9, window=FIVE_MINUTES),
                op=Operator.GREATER,
                value=14.4,
            ),
        ),
        (
            "cel(\"slow > 300.0 && state == 'down'\", slow = p95(duration_ms, 5m))",
            Cel(cel="slow > 300.0 && state == 'down'", let={"slow": SLOW}),
        ),
        (r'cel("state == \"down\"")', Cel(cel='state == "down"')),
        (
            "(state == up or absent(5m)) and slo(99%)",
            AllOf(all=[AnyOf(any=[StateIs(state=["up"]), Absent(absent=FIVE_MINUTES)]), Slo(slo=99)]),
        ),
    ],
)
def test_each_form_stands_for_a_condition_and_back(text: str, condition: Condition) -> None:
    """Each form of the language is the condition it says, and is written as it was."""
    assert parse_expression(text) == condition
    assert format_expression(condition) == text


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("p95(duration_ms, 5m) > 2s", "p95(duration_ms, 5m) > 2000"),
        ("p95(duration_ms, 5m) > 300ms", "p95(duration_ms, 5m) > 300"),
        ("p95( duration_ms ,300s )>300 ms", "p95(duration_ms, 5m) > 300"),
        ("latest(size_bytes) > 5MB", "latest(size_bytes) > 5 MB"),
        ("latest(size_bytes) > 5MiB", "latest(size_bytes) > 5 MiB"),
        ("latest(size_bytes) > 5.3 MB", "latest(size_bytes) > 5300 kB"),
        ("latest(size_bytes) > 17", "latest(size_bytes) > 17"),
        ("latest(growth_bytes) < -5 MB", "latest(growth_bytes) < -5 MB"),
        ("latest(age_seconds) > 1h30m", "latest(age_seconds) > 5400"),
        ("latest(certificate_days) < 14d", "latest(certificate_days) < 14"),
        ("uptime(1h) < 99", "uptime(1h) < 99%"),
        ("uptime(1h) < 99.5 %", "uptime(1h) < 99.5%"),
        ("latest(value) > 1e3", "latest(value) > 1000"),
        ("slo(99.9)", "slo(99.9%)"),
        ("((state == up))", "state == up"),
        ("state in (up, up)", "state == up"),
        ("(state == up and slo(9%)) and absent(5m)", "state == up and slo(9%) and absent(5m)"),
        ("state == up or (slo(9%) and absent(5m))", "state == up or slo(9%) and absent(5m)"),
    ],
)
def test_numbers_and_parentheses_are_written_plainly(written: str, plain: str) -> None:
    """Units are those of the metric, and parentheses stand only where they say something."""
    assert format_expression(parse_expression(written)) == plain


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("", 'column 1: the end cannot stand here; expected "state", "absent"'),
        ("p95(duration_ms) > 3", 'column 16: ")" cannot stand here; expected ","'),
        ("p95(duration_ms, 5m) >", "column 23: the end cannot stand here; expected a number"),
        ("p95(duration_ms, 5m) > 5 MB", 'column 24: "5MB" is a size, which cannot be compared with a time'),
        ("latest(rows) > 5m", 'column 16: "5m" is a duration, which cannot be compared with a plain number'),
        ("latest(rows) > 1.2.3", 'column 16: "1.2.3" is no number'),
        ("latest(rows) > 1e999", "column 1: Input should be a finite number"),
        ("p950(duration_ms, 5m) > 3", 'column 1: "p950" cannot stand here'),
        ("state == paused", 'column 10: "paused" cannot stand here; expected "up", "degraded", "down" or "no_data"'),
        ("state != up", 'column 7: "!=" cannot stand here; expected "==" or "in"'),
        ("(state == up", 'column 13: the end cannot stand here; expected ")", "and" or "or"'),
        ("state == up state", 'column 13: "state" cannot stand here; expected "and", "or" or the end'),
        ("count(dwon, 5m) > 1", 'column 7: "dwon" cannot stand here; expected "up", "degraded", "down" or "error"'),
        ("latest(rows > 3", 'column 13: ">" cannot stand here; expected ")" or ","'),
        ("latest(rows) > 1 recover 2", "column 1: recover has to lie on the good side"),
        ("absent()", 'column 8: ")" cannot stand here; expected a duration, such as 5m or 3 intervals'),
        ("absent(0 intervals)", "column 1: Input should be greater than or equal to 1"),
        ("uptime(90d) < 3", "column 1: Input should be less than or equal to 31d"),
        ("uptime(5) < 3", 'column 8: "5" is no duration'),
        ('cel("a', "column 5: this string does not end"),
        ("cel(slow)", 'column 5: "slow" cannot stand here; expected an expression in quotes'),
        ('cel("a", b = latest(rows), b = latest(rows))', 'column 28: "b" cannot stand here; expected a new name'),
        ("latest(rows) > ٣", 'column 16: "٣" has no meaning here'),
        ("slo(99%) & slo(98%)", 'column 10: "&" has no meaning here'),
        ("(" * 21 + "slo(9%)" + ")" * 21, "column 21: parentheses stand 20 deep at most"),
        (" " * 2001, "an expression has 2,000 characters at most"),
    ],
)
def test_a_mistake_is_told_with_its_column(text: str, mistake: str) -> None:
    """What cannot be read is refused with the column and what could stand there."""
    with pytest.raises(ExpressionError) as caught:
        parse_expression(text)
    assert str(caught.value).startswith(mistake)


def test_the_parts_of_the_whole_tree_are_counted() -> None:
    """Parts spread over parentheses are no way round the bound, and those named for CEL count too."""
    half = " or ".join(["state == up"] * (MAX_PARTS // 2))
    assert parse_expression(f"({half}) and ({half})")
    with pytest.raises(ExpressionError, match="20 parts in all"):
        parse_expression(f"({half}) and ({half}) and slo(9%)")
    named = ", ".join(f"f{number} = latest(rows)" for number in range(10))
    assert parse_expression(f'cel("true", {named}) and ({half})')
    with pytest.raises(ExpressionError, match="20 parts in all"):
        parse_expression(f'cel("true", {named}) and ({half}) and slo(9%)')
