"""Conditions in Gatus's bracket syntax, `[BODY].items[0].id == 1`, as frozen values."""

import json
import re
from dataclasses import dataclass
from enum import StrEnum

from shared.domain.target.kinds import Quantity

DOT_NAME = re.compile(r"\.([^\s.\[\]()<>=!\",]+)")
"""A step of a path that needs no quotes."""


class ConditionSyntaxError(ValueError):
    """A condition that cannot be read; `position` is the offset of the offending character, from 0."""

    def __init__(self, text: str, position: int, message: str) -> None:
        super().__init__(f"{message} (at character {position + 1})")
        self.text = text
        self.position = position
        self.message = message

    def with_caret(self) -> str:
        """The condition with a caret below the place, and the message, on three lines."""
        return f"{self.text}\n{' ' * self.position}^\n{self.message}"


class Operator(StrEnum):
    """How the two sides compare."""

    EQUAL = "=="
    NOT_EQUAL = "!="
    LESS_OR_EQUAL = "<="
    GREATER_OR_EQUAL = ">="
    LESS = "<"
    GREATER = ">"

    @property
    def is_ordering(self) -> bool:
        """Whether both sides have to be numbers."""
        return self not in {Operator.EQUAL, Operator.NOT_EQUAL}


class Function(StrEnum):
    """What may be asked of a placeholder instead of its value."""

    LEN = "len"
    HAS = "has"


@dataclass(frozen=True, slots=True)
class Subject:
    """The left side: which value of the observation is meant; `quantity` is that of the value compared."""

    placeholder: str
    path: tuple[str | int, ...]
    function: Function | None
    quantity: Quantity

    def __str__(self) -> str:
        name = f"[{self.placeholder}]{''.join(map(_show_step, self.path))}"
        return f"{self.function}({name})" if self.function else name


@dataclass(frozen=True, slots=True)
class Literal:
    """One value of the right side: as written, as text, and as a number in the placeholder's unit if it is one."""

    source: str
    text: str
    number: int | float | None


class Match(StrEnum):
    """How the right side is meant."""

    VALUE = "value"
    PATTERN = "pat"
    CHOICE = "any"


@dataclass(frozen=True, slots=True)
class Condition:
    """One assertion about a sample; its text reads back as an equal condition."""

    subject: Subject
    operator: Operator
    match: Match
    literals: tuple[Literal, ...]

    def __str__(self) -> str:
        return f"{self.subject} {self.operator} {self.expectation}"

    @property
    def expectation(self) -> str:
        """The right side as text."""
        listed = ", ".join(literal.source for literal in self.literals)
        return listed if self.match is Match.VALUE else f"{self.match}({listed})"


def _show_step(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if DOT_NAME.fullmatch(f".{step}") else f"[{json.dumps(step)}]"
