"""What the world of the alerts does and when, drawn from a seed: targets that come and go, receivers in bad moods."""

import random
from bisect import bisect_right
from collections.abc import Iterator
from enum import StrEnum
from typing import Generic, TypeVar

Value = TypeVar("Value")

UP_SECONDS = (5.0, 60.0)
DOWN_SECONDS = (4.0, 20.0)
"""The least and the most that a target stays as it is."""
FINE_SECONDS = (6.0, 25.0)
BAD_SECONDS = (2.0, 8.0)


class Mood(StrEnum):
    """How a receiver takes what it is told."""

    FINE = "fine"
    BROKEN = "broken"
    """It answers 500."""
    BUSY = "busy"
    """It answers 429, and when to come back."""
    HANGING = "hanging"
    """It takes the request and never answers."""
    REFUSING = "refusing"
    """It breaks the connection off."""


BAD_MOODS = tuple(mood for mood in Mood if mood is not Mood.FINE)


class Spells(Generic[Value]):
    """What holds at each second, as spells that follow each other; drawn only as far as anybody asks."""

    def __init__(self, drawn: Iterator[tuple[Value, float]]) -> None:
        self._drawn = drawn
        self._values: list[Value] = []
        self._ends: list[float] = []

    def at(self, second: float) -> Value:
        """What holds so many seconds after the beginning."""
        while not self._ends or self._ends[-1] <= second:
            value, seconds = next(self._drawn)
            self._values.append(value)
            self._ends.append((self._ends[-1] if self._ends else 0.0) + seconds)
        return self._values[bisect_right(self._ends, second)]


def spells_of_target(seed: int, number: int) -> Spells[bool]:
    """Whether the target of this number answers as it should."""
    return Spells(_target(random.Random(f"{seed} target {number}")))


def spells_of_receiver(seed: int, channel: str) -> Spells[Mood]:
    """The moods of a channel's receiver; every second one is fine."""
    return Spells(_receiver(random.Random(f"{seed} receiver {channel}")))


def _target(chance: random.Random) -> Iterator[tuple[bool, float]]:
    while True:
        yield True, chance.uniform(*UP_SECONDS)
        yield False, chance.uniform(*DOWN_SECONDS)


def _receiver(chance: random.Random) -> Iterator[tuple[Mood, float]]:
    while True:
        yield Mood.FINE, chance.uniform(*FINE_SECONDS)
        yield chance.choice(BAD_MOODS), chance.uniform(*BAD_SECONDS)
