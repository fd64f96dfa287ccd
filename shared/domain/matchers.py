"""Matchers: which labels a monitor or an alert has to have, as in Alertmanager: `team=web, host=~"db.*"`."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Annotated

from pydantic import AfterValidator, Field

from shared.domain.target.patterns import compile_pattern

MAX_MATCHERS = 20
MAX_CHARACTERS = 2000

_NAME = "[a-zA-Z_][a-zA-Z0-9_]{0,62}"
_TERM = re.compile(rf"\s*({_NAME})\s*(=~|!~|!=|=)\s*(\"(?:[^\"\\]|\\.)*\"|(?:[^\s,\"=~][^\s,\"]*)?)\s*")
_PLAIN = re.compile(r"[^\s,\"\\=~!]+")


class MatchOperator(StrEnum):
    """How a label's value is compared; a label that is not there has the empty value."""

    EQUAL = "="
    UNEQUAL = "!="
    LIKE = "=~"
    UNLIKE = "!~"


@dataclass(frozen=True, slots=True)
class Matcher:
    """One label's comparison; a pattern has to match the whole value (RE2's syntax, in linear time)."""

    name: str
    operator: MatchOperator
    value: str

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether these labels meet it."""
        value = labels.get(self.name, "")
        match self.operator:
            case MatchOperator.EQUAL:
                return value == self.value
            case MatchOperator.UNEQUAL:
                return value != self.value
            case MatchOperator.LIKE:
                return _pattern_of(self.value)(value)
            case MatchOperator.UNLIKE:
                return not _pattern_of(self.value)(value)

    def __str__(self) -> str:
        if _PLAIN.fullmatch(self.value):
            return f"{self.name}{self.operator}{self.value}"
        escaped = self.value.replace("\\", "\\\\").replace('"', '\\"')
        return f'{self.name}{self.operator}"{escaped}"'


@dataclass(frozen=True, slots=True)
class Matchers:
    """All of them have to hold; none at all selects everything."""

    terms: tuple[Matcher, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether these labels meet all."""
        return all(term.matches(labels) for term in self.terms)

    def __str__(self) -> str:
        """Written so that `parse_matchers` reads the same ones."""
        return ", ".join(map(str, self.terms))


@lru_cache(maxsize=4096)
def parse_matchers(text: str) -> Matchers:
    """Read matchers, separated by commas, perhaps in braces.

    Raises:
        ValueError: they cannot be read; the message says where.
    """
    if "\0" in text:
        raise ValueError("matchers hold no NUL")
    inner = text.strip()
    if inner.startswith("{") and inner.endswith("}"):
        inner = inner[1:-1].strip().removesuffix(",")
    terms: list[Matcher] = []
    place = 0
    while place < len(inner):
        found = _TERM.match(inner, place)
        if found is None or (found.end() < len(inner) and inner[found.end()] != ","):
            raise ValueError(f'"{inner[place : place + 40]}" is no matcher; write for example team=web, host=~"db.*"')
        terms.append(_matcher_of(found))
        place = found.end() + 1
    if inner.endswith(",") or len(terms) > MAX_MATCHERS:
        raise ValueError(f"give up to {MAX_MATCHERS} matchers, separated by commas")
    return Matchers(tuple(terms))


def _matcher_of(found: re.Match[str]) -> Matcher:
    name, operator, value = found.groups()
    if value.startswith('"'):
        value = re.sub(r"\\(.)", r"\1", value[1:-1])
    matcher = Matcher(name, MatchOperator(operator), value)
    if matcher.operator in {MatchOperator.LIKE, MatchOperator.UNLIKE}:
        _pattern_of(value)
    return matcher


@lru_cache(maxsize=4096)
def _pattern_of(value: str) -> Callable[[str], bool]:
    return compile_pattern(f"^(?s:{value})$")


def _check(text: str) -> str:
    return str(parse_matchers(text))


MatcherText = Annotated[
    str,
    Field(
        max_length=MAX_CHARACTERS,
        examples=["team=web", 'group="web", host=~"db.*"'],
        json_schema_extra={"format": "matchers"},
    ),
    AfterValidator(_check),
]
"""Matchers as people write them, put into their plainest form."""


def labels_of_monitor(name: str, group: str, kind: str, labels: Mapping[str, str]) -> dict[str, str]:
    """What matchers see of a monitor: its labels, and its name, group and kind, which win over labels so named."""
    return {**labels, "monitor": name, "group": group, "kind": kind}
