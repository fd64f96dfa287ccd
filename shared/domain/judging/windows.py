"""The windows that a rule's figures reach over, in parts that add up: what a sample costs does not grow with a window.

A window of W has 30 parts of W/30, a second at least, aligned to 1970. At a moment t it reaches over its 30 latest
parts: over (t - W, t] to within one part. Samples may come in any order; only to `growth` one that comes behind later
ones adds nothing when it lies between two of its part. Our own errors have no value, as everywhere.
"""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from shared.domain.judging.part_sketches import PartSketches
from shared.domain.sample.sketch import slot_of
from shared.domain.target.outcome import OUTCOME_CODES, Outcome

PARTS = 30
LEAST_PART_MS = 1000
_MILLISECOND = timedelta(milliseconds=1)
_ENDLESS_MS = 1 << 62
_ERROR = OUTCOME_CODES[Outcome.ERROR]


class Column(StrEnum):
    """What is kept of each part: how many samples of each outcome, or figures of a metric's values."""

    UP = "up"
    DEGRADED = "degraded"
    DOWN = "down"
    ERROR = "error"
    COUNT = "count"
    TOTAL = "total"
    LOW = "low"
    HIGH = "high"
    FIRST_AT = "first_at"
    FIRST = "first"
    LAST_AT = "last_at"
    LAST = "last"
    GROWTH = "growth"
    """By how much the values grew, one after the other; a fall is a counter that began anew at zero."""


OUTCOME_COLUMNS = (Column.UP, Column.DEGRADED, Column.DOWN, Column.ERROR)
"""In the order of the outcomes' codes."""
LAST_COLUMNS = (Column.LAST_AT, Column.LAST)
GROWTH_COLUMNS = (Column.FIRST_AT, Column.FIRST, *LAST_COLUMNS, Column.GROWTH)

_BEFORE_ANY = {Column.LOW: float("inf"), Column.HIGH: float("-inf"), Column.TOTAL: 0.0}


@dataclass(frozen=True, slots=True)
class WindowSpec:
    """What is kept of a window: of outcomes where `metric` is None, else of a metric's values, their number first.

    Without a `window` there is one part for ever: the latest value needs no more.
    """

    metric: str | None
    window: timedelta | None
    columns: tuple[Column, ...]
    has_sketch: bool = False

    @property
    def part_ms(self) -> int:
        """How long a part is, in milliseconds."""
        if self.window is None:
            return _ENDLESS_MS
        return max(LEAST_PART_MS, -(-(self.window // _MILLISECOND) // PARTS))


def grown(before: float, after: float) -> float:
    """By how much a counter grew from one value to the next; after a fall it is counted from zero, as in Prometheus."""
    return after - before if after >= before else after


class Ring:
    """The parts of one window that have samples: their numbers, ascending, and the columns in the same order.

    `sketches` say how the values of each part are spread, where percentiles are asked for.
    """

    __slots__ = ("columns", "part_ms", "parts", "sketches", "spec")

    def __init__(self, spec: WindowSpec) -> None:
        self.spec = spec
        self.part_ms = spec.part_ms
        self.parts: list[int] = []
        self.columns: dict[Column, list[float]] = {column: [] for column in spec.columns}
        self.sketches = PartSketches()

    def add(self, at_ms: int, outcome: int, value: float | None) -> None:
        """Add a sample: its slot in milliseconds since 1970, its outcome's code, its value of the window's metric."""
        if self.spec.metric is None:
            if (place := self._place_of(at_ms)) is not None:
                self.columns[OUTCOME_COLUMNS[outcome]][place] += 1
        elif value is not None and outcome != _ERROR and (place := self._place_of(at_ms)) is not None:
            self._add_value(place, at_ms, value)

    def within(self, at_ms: int) -> slice:
        """Which parts belong to the window that ends at a moment."""
        last = at_ms // self.part_ms
        return slice(bisect_right(self.parts, last - PARTS), bisect_right(self.parts, last))

    def _place_of(self, at_ms: int) -> int | None:
        """Where the part of a moment stands, made if need be; None when the newest sample's window is past it."""
        part, parts = at_ms // self.part_ms, self.parts
        if parts and part == parts[-1]:
            return len(parts) - 1
        if not parts or part > parts[-1]:
            self._forget(part - PARTS)
            self._insert(len(parts), part)
            return len(parts) - 1
        if part <= parts[-1] - PARTS:
            return None
        place = bisect_left(parts, part)
        if parts[place] != part:
            self._insert(place, part)
        return place

    def _forget(self, last: int) -> None:
        gone = bisect_right(self.parts, last)
        if gone:
            del self.parts[:gone]
            if self.spec.has_sketch:
                self.sketches.forget(gone)
            for numbers in self.columns.values():
                del numbers[:gone]

    def _insert(self, place: int, part: int) -> None:
        self.parts.insert(place, part)
        for column, numbers in self.columns.items():
            numbers.insert(place, _BEFORE_ANY.get(column, 0))
        if self.spec.has_sketch:
            self.sketches.insert(place)

    def _add_value(self, place: int, at_ms: int, value: float) -> None:
        columns = self.columns
        columns[Column.COUNT][place] += 1
        if (totals := columns.get(Column.TOTAL)) is not None:
            totals[place] += value
        if (lows := columns.get(Column.LOW)) is not None and value < lows[place]:
            lows[place] = value
        if (highs := columns.get(Column.HIGH)) is not None and value > highs[place]:
            highs[place] = value
        if Column.GROWTH in columns:
            self._grow(place, at_ms, value)
        elif (moments := columns.get(Column.LAST_AT)) is not None and at_ms >= moments[place]:
            moments[place], columns[Column.LAST][place] = at_ms, value
        if self.spec.has_sketch:
            self.sketches.add(place, slot_of(value))

    def _grow(self, place: int, at_ms: int, value: float) -> None:
        columns = self.columns
        first_at, first, last_at, last, growth = [columns[each] for each in GROWTH_COLUMNS]
        if columns[Column.COUNT][place] == 1:
            first_at[place], first[place], last_at[place], last[place] = at_ms, value, at_ms, value
        elif at_ms >= last_at[place]:
            growth[place] += grown(last[place], value)
            last_at[place], last[place] = at_ms, value
        elif at_ms < first_at[place]:
            growth[place] += grown(value, first[place])
            first_at[place], first[place] = at_ms, value
