"""Holds conditions against what a collector saw; nothing seen ever makes this raise."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from operator import ge, gt, le, lt
from typing import Any, Final

import orjson

from shared.domain.secret.masking import MASK, looks_secret
from shared.domain.target.conditions import Condition, Function, Literal, Match, Operator, Subject
from shared.domain.target.globs import matches_glob

SHOWN_CHARACTERS = 60
"""How much of a value is shown in a message."""

_ORDERINGS: Final = {Operator.LESS: lt, Operator.LESS_OR_EQUAL: le, Operator.GREATER: gt, Operator.GREATER_OR_EQUAL: ge}


@dataclass(frozen=True, slots=True)
class Missing:
    """Why there is no value to compare."""

    reason: str


@dataclass(frozen=True, slots=True)
class ConditionResult:
    """Whether a condition held, and against what: `found` is the value or why it is `Missing`."""

    condition: Condition
    found: Any
    holds: bool

    @property
    def shown(self) -> str:
        """`[STATUS] (503) == 200`, cut and without secrets; put together only for those who look."""
        subject = self.condition.subject
        is_secret = any(isinstance(step, str) and looks_secret(step) for step in subject.path)
        expectation = MASK if is_secret and subject.function is None else _cut(self.condition.expectation)
        return f"{subject} ({_show(self.found, is_secret=is_secret)}) {self.condition.operator} {expectation}"


class Facts:
    """The values of one observation; a body is decoded as JSON once, whatever the number of conditions."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values

    def find(self, subject: Subject) -> Any:  # noqa: ANN401 - JSON is of any shape.
        """The value meant, or why it is missing."""
        value = self.values.get(subject.placeholder)
        if value is None:
            return Missing("there is none")
        if subject.path and isinstance(value, str | bytes):
            value = self._body if subject.placeholder == "BODY" else _decode(value)
        for step in subject.path:
            value = _enter(value, step)
        return value

    @cached_property
    def _body(self) -> Any:  # noqa: ANN401 - JSON is of any shape.
        return _decode(self.values["BODY"])


def evaluate(condition: Condition, values: Mapping[str, Any] | Facts) -> ConditionResult:
    """Hold the condition against the values of an observation; a missing value makes it not hold."""
    facts = values if isinstance(values, Facts) else Facts(values)
    subject = condition.subject
    found = facts.find(subject)
    if subject.function is Function.HAS:
        found = not isinstance(found, Missing)
    elif subject.function is Function.LEN:
        found = _length(found)
    return ConditionResult(condition, found, not isinstance(found, Missing) and _holds(condition, found))


def _decode(text: str | bytes) -> Any:  # noqa: ANN401 - JSON is of any shape.
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return Missing("it is not JSON")


def _enter(value: Any, step: str | int) -> Any:  # noqa: ANN401 - JSON is of any shape.
    if isinstance(value, Missing):
        return value
    if isinstance(step, str) and isinstance(value, Mapping):
        return value[step] if step in value else Missing("missing")
    if isinstance(step, int) and isinstance(value, list | tuple):
        return value[step] if step < len(value) else Missing("missing")
    return Missing("missing")


def _length(value: Any) -> Any:  # noqa: ANN401 - A number, or why there is none.
    if isinstance(value, Missing):
        return value
    return len(value) if isinstance(value, str | bytes | list | tuple | Mapping) else Missing("it has no length")


def _holds(condition: Condition, value: Any) -> bool:  # noqa: ANN401 - JSON is of any shape.
    if condition.operator.is_ordering:
        return _is_ordered(condition, value)
    if condition.match is Match.PATTERN:
        is_equal = matches_glob(_as_text(value), condition.literals[0].text)
    else:
        is_equal = any(_is_equal(value, literal) for literal in condition.literals)
    return is_equal is (condition.operator is Operator.EQUAL)


def _is_ordered(condition: Condition, value: Any) -> bool:  # noqa: ANN401 - JSON is of any shape.
    number, bound = _as_number(value), condition.literals[0].number
    return number is not None and bound is not None and _ORDERINGS[condition.operator](number, bound)


def _as_number(value: Any) -> int | float | None:  # noqa: ANN401 - JSON is of any shape.
    """A number, also out of text, as headers are (`[HEADER].content-length < 1000`)."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and len(value) <= SHOWN_CHARACTERS:
        try:
            return float(value)
        except ValueError:
            return None
    return None


def _is_equal(value: Any, literal: Literal) -> bool:  # noqa: ANN401 - JSON is of any shape.
    if literal.number is not None and isinstance(value, int | float) and not isinstance(value, bool):
        return value == literal.number
    return _as_text(value) == literal.text


def _as_text(value: Any) -> str:  # noqa: ANN401 - JSON is of any shape.
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    try:
        return orjson.dumps(value, default=str).decode()
    except (TypeError, ValueError):
        return _as_plain_text(value)


def _as_plain_text(value: object) -> str:
    """What JSON cannot say: integers of more than 64 bits, and values nested too deep."""
    try:
        return str(value)
    except (ValueError, RecursionError):
        return "too large to show"


def _show(value: Any, *, is_secret: bool) -> str:  # noqa: ANN401 - JSON is of any shape.
    if isinstance(value, Missing):
        return value.reason
    return MASK if is_secret and not isinstance(value, bool) else _cut(_as_text(value))


def _cut(text: str) -> str:
    """One short line, printable whatever was in it."""
    short = text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 1]}…"
    return "".join(character if character.isprintable() else "�" for character in short)
