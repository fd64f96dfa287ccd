"""Conditions in one line, as people write them: `p95(duration_ms, 5m) > 300 recover 250 and state == up`."""

from shared.domain.durations import format_duration
from shared.domain.rule.conditions import Absent, AllOf, AnyOf, Cel, Comparison, Condition, Slo, StateIs
from shared.domain.rule.expression_numbers import format_number, format_value, unit_of
from shared.domain.rule.expression_reading import ExpressionReader
from shared.domain.rule.expression_tokens import quote
from shared.domain.rule.figures import Figure
from shared.domain.rule.plain_conditions import plain_condition


def parse_expression(text: str) -> Condition:
    """Read an expression; the condition is in its plainest form.

    Raises:
        ExpressionError: it cannot be read; the message says the column and what could stand there.
    """
    return plain_condition(ExpressionReader(text).read())


def format_expression(condition: Condition) -> str:
    """Write a condition in one line, so that `parse_expression` reads the same one in its plainest form."""
    return _format(plain_condition(condition))


def _format(condition: Condition) -> str:
    match condition:
        case AllOf(all=parts):
            text = " and ".join(f"({_format(part)})" if isinstance(part, AnyOf) else _format(part) for part in parts)
        case AnyOf(any=parts):
            text = " or ".join(map(_format, parts))
        case Comparison():
            text = _comparison(condition)
        case StateIs(state=states):
            text = f"state == {states[0]}" if len(states) == 1 else f"state in ({', '.join(states)})"
        case Absent():
            text = f"absent({_absence(condition)})"
        case Slo(slo=objective):
            text = f"slo({format_number(objective)}%)"
        case Cel():
            text = _cel(condition)
    return text


def _absence(condition: Absent) -> str:
    if condition.absent is not None:
        return format_duration(condition.absent)
    return f"{condition.intervals} interval{'' if condition.intervals == 1 else 's'}"


def _comparison(condition: Comparison) -> str:
    unit = unit_of(condition.figure)
    compared = f"{format_figure(condition.figure)} {condition.op} {format_value(condition.value, unit)}"
    return compared if condition.recover is None else f"{compared} recover {format_value(condition.recover, unit)}"


def _cel(condition: Cel) -> str:
    named = [f"{name} = {format_figure(figure)}" for name, figure in condition.let.items()]
    return f"cel({', '.join([quote(condition.cel), *named])})"


def format_figure(figure: Figure) -> str:
    """Write a figure as it stands in expressions."""
    arguments = [
        figure.metric,
        None if figure.outcome is None else figure.outcome.value,
        None if figure.objective is None else f"{format_number(figure.objective)}%",
        None if figure.window is None else format_duration(figure.window),
    ]
    return f"{figure.aggregate}({', '.join(argument for argument in arguments if argument is not None)})"
