"""How a question of statistics is answered: from which samples or sums, and how exactly; pure."""

from dataclasses import dataclass
from enum import StrEnum


class Way(StrEnum):
    """Where an answer comes from."""

    SAMPLES = "samples"
    """Every sample itself, packed ones too: exact."""
    ROLL_UPS = "roll_ups"
    """Hours and days with their sketches, and rows at the edges."""
    ROWS = "rows"
    """Rows, summed up with sketches where they lie: too many to be read, none of them packed."""
    NONE = "none"
    """Too many samples, of which there is no roll-up."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many rows and packed samples are read to answer exactly, and out of how many chunks."""

    rows: int
    chunks: int
    samples: int


QUICK = Limits(rows=20_000, chunks=1_000, samples=1_000_000)
"""Where roll-ups would do: some 50 ms at most."""

PATIENT = Limits(rows=200_000, chunks=10_000, samples=5_000_000)
"""Where nothing else would do: a second or two."""


@dataclass(frozen=True, slots=True)
class Question:
    """What decides the way: whether roll-ups could tell it, how far back samples reach, and how many they are."""

    can_be_rolled_up: bool
    is_kept_whole: bool
    is_small: bool
    has_packed: bool


def choose_way(question: Question) -> Way:
    """The most exact way that does not take too long."""
    if not question.can_be_rolled_up:
        if question.is_small:
            return Way.SAMPLES
        return Way.NONE if question.has_packed else Way.ROWS
    if question.is_small and question.is_kept_whole:
        return Way.SAMPLES
    return Way.ROLL_UPS
