"""Samples in few words, for tests of rules: `100x5 400x10 _x3 down`; in the manner of promtool's series."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from shared.domain.target.outcome import Outcome

MAX_SLOTS = 100_000
_NUMBER = r"[0-9]+(?:\.[0-9]+)?(?:e-?[0-9]+)?"
_WORD = re.compile(
    rf"(?:(?P<outcome>up|degraded|down|error)(?::(?P<of>-?{_NUMBER}))?|(?P<gap>_)"
    rf"|(?P<number>-?{_NUMBER})(?P<step>[+-]{_NUMBER})?)(?:x(?P<times>[0-9]{{1,6}}))?"
)
_WORST_FIRST = (Outcome.ERROR, Outcome.DOWN, Outcome.DEGRADED, Outcome.UP)


class SeriesError(ValueError):
    """The text is no series; the message says which word and what could stand there."""


@dataclass(frozen=True, slots=True)
class Slot:
    """What a slot brought; without a `value` the sample lacks the metric."""

    outcome: Outcome
    value: float | None = None


def read_series(text: str) -> list[Slot | None]:
    """Read a series; None is a slot without a sample.

    `400` is a sample that is up; `400x10` ten of them; `0+10x5` is 0 10 20 30 40; `_` is none. `down` is an outcome
    without a value, `degraded:900` one with it.

    Raises:
        SeriesError: it cannot be read.
    """
    slots: list[Slot | None] = []
    for place, word in enumerate(text.split(), start=1):
        slots += _read_word(word, place)
        if len(slots) > MAX_SLOTS:
            raise SeriesError(f"a series has {MAX_SLOTS:,} slots at most")
    if not slots:
        raise SeriesError('there is no sample in it; write for example "100x5 400x10 _x3 down"')
    return slots


def combine(series: Sequence[Sequence[Slot | None]]) -> Iterator[tuple[Outcome, list[float | None]] | None]:
    """The samples of several metrics' series, slot by slot: the worst outcome that any says, and each one's value."""
    for place in range(max(map(len, series))):
        said = [each[place] if place < len(each) else None for each in series]
        there = [slot.outcome for slot in said if slot is not None]
        if there:
            yield min(there, key=_WORST_FIRST.index), [None if slot is None else slot.value for slot in said]
        else:
            yield None


def _read_word(word: str, place: int) -> list[Slot | None]:
    match = _WORD.fullmatch(word)
    if match is None:
        raise SeriesError(
            f'word {place}, "{word[:40]}": write a number, up, degraded, down, error or _, and how often, as in 400x10'
        )
    times = min(int(match["times"] or 1), MAX_SLOTS + 1)
    if match["gap"]:
        return [None] * times
    if match["outcome"]:
        return [Slot(Outcome(match["outcome"]), None if match["of"] is None else float(match["of"]))] * times
    first, step = float(match["number"]), float(match["step"] or 0)
    return [Slot(Outcome.UP, first + each * step) for each in range(times)]
