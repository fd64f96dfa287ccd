"""Reads conditions from text; an error says at which character and what is known there."""

import json
import re
from functools import lru_cache
from typing import NoReturn

from shared.domain.target.conditions import (
    DOT_NAME,
    Condition,
    ConditionSyntaxError,
    Function,
    Literal,
    Match,
    Operator,
    Subject,
)
from shared.domain.target.kinds import PLACEHOLDERS, Quantity
from shared.domain.target.quantities import QuantityError, name_quantity, read_number

MAX_CHOICES = 50
"""How many values `any(…)` may list."""


@lru_cache(maxsize=4096)
def parse_condition(text: str, kind: str) -> Condition:
    """Read one condition of a target of this kind (`http`, `database`, `file`).

    Raises:
        ConditionSyntaxError: with the position, and what is known there.
    """
    return _Parser(text, kind).condition()


_SPACE = re.compile(r"\s*")
_FUNCTION = re.compile(r"([a-z]\w*)\s*\(\s*")
_PLACEHOLDER = re.compile(r"\[([A-Za-z_]\w*)\]")
_INDEX = re.compile(r"\[(\d{1,9})\]")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_QUOTED_NAME = re.compile(rf"\[({_QUOTED.pattern})\]")
_OPERATOR = re.compile("|".join(re.escape(operator) for operator in Operator))
_RIGHT_FUNCTION = re.compile(r"([a-z]\w*)\((.*)\)", re.DOTALL)
_CHOICE = re.compile(rf"\s*({_QUOTED.pattern}|[^,\"]*?)\s*(,|$)", re.DOTALL)


class _Parser:
    """Reads one condition from left to right; `position` is where it stands."""

    def __init__(self, text: str, kind: str) -> None:
        self.text = text
        self.position = 0
        self.known = PLACEHOLDERS[kind]
        self.kind = kind

    def condition(self) -> Condition:
        self.take(_SPACE)
        subject = self.subject()
        self.take(_SPACE)
        operator = self.operator()
        self.take(_SPACE)
        match, literals = self.expectation(subject, operator)
        return Condition(subject, operator, match, literals)

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self.text, self.position)
        if found:
            self.position = found.end()
        return found

    def fail(self, message: str, position: int | None = None) -> NoReturn:
        raise ConditionSyntaxError(self.text, self.position if position is None else position, message)

    def subject(self) -> Subject:
        start = self.position
        named = self.take(_FUNCTION)
        function = self.left_function(named[1], start) if named else None
        start = self.position
        found = self.take(_PLACEHOLDER)
        if not found:
            self.fail(f"a condition begins with a placeholder: {self.list_known()}")
        if found[1] not in self.known:
            self.fail(f"{self.kind} targets have no [{found[1]}]; known are {self.list_known()}", start)
        quantity = self.known[found[1]]
        path = self.path(found[1], quantity)
        if function is not None:
            self.take(_SPACE)
            self.close_function(function)
        return Subject(found[1], path, function, _quantity_of(function, quantity))

    def list_known(self) -> str:
        return ", ".join(f"[{name}]" for name in self.known)

    def left_function(self, name: str, start: int) -> Function:
        try:
            return Function(name)
        except ValueError:
            self.fail(f'"{name}" is no function of the left side; known are len(…) and has(…)', start)

    def close_function(self, function: Function) -> None:
        if not self.text.startswith(")", self.position):
            self.fail(f'"{function}(" is not closed; ")" is missing here')
        self.position += 1

    def path(self, placeholder: str, quantity: Quantity) -> tuple[str | int, ...]:
        start = self.position
        steps: list[str | int] = []
        while (step := self.step()) is not None:
            steps.append(step.lower() if placeholder == "HEADER" and isinstance(step, str) else step)
        if steps and quantity not in {Quantity.ANY, Quantity.NAMED}:
            self.fail(f"[{placeholder}] is {name_quantity(quantity)}; no path leads into it", start)
        if quantity is Quantity.NAMED and (not steps or isinstance(steps[0], int)):
            self.fail(f"[{placeholder}] is followed by a name: [{placeholder}].name", start)
        return tuple(steps)

    def step(self) -> str | int | None:
        if found := self.take(DOT_NAME):
            return found[1]
        if found := self.take(_INDEX):
            return int(found[1])
        if found := self.take(_QUOTED_NAME):
            return self.unquote(found[1], found.start(1))
        if self.text.startswith((".", "["), self.position):
            self.fail('a path goes on with .name, [0] or ["any name"]')
        return None

    def unquote(self, quoted: str, position: int) -> str:
        try:
            text: str = json.loads(quoted, strict=False)
        except ValueError:
            self.fail("a text in double quotes is written as in JSON", position)
        return text

    def operator(self) -> Operator:
        found = self.take(_OPERATOR)
        if not found:
            self.fail(f"one of {' '.join(Operator)} is missing here")
        return Operator(found[0])

    def expectation(self, subject: Subject, operator: Operator) -> tuple[Match, tuple[Literal, ...]]:
        source = self.text[self.position :].rstrip()
        if not source:
            self.fail("the value to compare with is missing here")
        called = _RIGHT_FUNCTION.fullmatch(source)
        if called and called[1] in {Match.PATTERN, Match.CHOICE}:
            return self.called(called, subject, operator)
        if _PLACEHOLDER.match(source):
            self.fail("the right side is a plain value; put the placeholder to the left")
        if re.match(r"(pat|any)\(", source):
            self.fail('"(" is not closed; ")" is missing at the end')
        return Match.VALUE, (self.literal(source, self.position, subject=subject, operator=operator),)

    def called(self, called: re.Match[str], subject: Subject, operator: Operator) -> tuple[Match, tuple[Literal, ...]]:
        if operator.is_ordering:
            self.fail(f"{called[1]}(…) goes with == and != only")
        inner, start = called[2], self.position + called.start(2)
        if called[1] == Match.PATTERN:
            return Match.PATTERN, (Literal(inner.strip(), inner.strip(), None),)
        literals = tuple(
            self.literal(source, position, subject=subject, operator=operator)
            for source, position in self.choices(inner, start)
        )
        return Match.CHOICE, literals

    def choices(self, inner: str, start: int) -> list[tuple[str, int]]:
        found: list[tuple[str, int]] = []
        at = 0
        while True:
            choice = _CHOICE.match(inner, at)
            if not choice or not choice[1]:
                self.fail("any(…) lists values separated by commas", start + at)
            found.append((choice[1], start + choice.start(1)))
            if len(found) > MAX_CHOICES:
                self.fail(f"any(…) lists at most {MAX_CHOICES} values", start + at)
            if not choice[2]:
                return found
            at = choice.end()

    def literal(self, source: str, position: int, *, subject: Subject, operator: Operator) -> Literal:
        if source.startswith('"'):
            if not _QUOTED.fullmatch(source):
                self.fail("a text in double quotes ends with the condition", position)
            literal = Literal(source, self.unquote(source, position), None)
        else:
            literal = Literal(source, source, self.number(source, position, subject.quantity))
        self.check_fit(literal, position, subject=subject, operator=operator)
        return literal

    def number(self, source: str, position: int, quantity: Quantity) -> int | float | None:
        try:
            return read_number(source, quantity)
        except QuantityError as error:
            self.fail(str(error), position)

    def check_fit(self, literal: Literal, position: int, *, subject: Subject, operator: Operator) -> None:
        """Refuse at once what could never hold, such as `[STATUS] == fine`."""
        quantity = subject.quantity
        if quantity is Quantity.BOOLEAN and (operator.is_ordering or literal.text not in {"true", "false"}):
            self.fail(f"{subject} is true or false; compare it by == or != with one of them", position)
        if operator.is_ordering and quantity is Quantity.TEXT:
            self.fail(f"{subject} is text; compare it by == or !=", position)
        is_numeric = operator.is_ordering or quantity not in _TEXTUAL
        if is_numeric and quantity is not Quantity.BOOLEAN and literal.number is None:
            self.fail(
                f"{subject} is {name_quantity(quantity)}; a number is needed here{_EXAMPLES.get(quantity, '')}",
                position,
            )


_TEXTUAL = frozenset({Quantity.ANY, Quantity.NAMED, Quantity.TEXT})
_EXAMPLES = {
    Quantity.MILLISECONDS: ", such as 300 or 1.5s",
    Quantity.SECONDS: ", such as 600 or 10m",
    Quantity.BYTES: ", such as 5MB or 2GiB",
}


def _quantity_of(function: Function | None, quantity: Quantity) -> Quantity:
    if function is Function.LEN:
        return Quantity.NUMBER
    return Quantity.BOOLEAN if function is Function.HAS else quantity
