"""One number of a monitor over a window, read from what is kept of it."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from shared.domain.judging.part_sketches import SlotCounts
from shared.domain.judging.windows import GROWTH_COLUMNS, LAST_COLUMNS, OUTCOME_COLUMNS, Column, Ring, WindowSpec, grown
from shared.domain.rule.figures import Aggregate, Figure
from shared.domain.sample.sketch import value_of

_OF_SAMPLES = frozenset({Aggregate.COUNT, Aggregate.UPTIME, Aggregate.BURN_RATE})
_COLUMNS: dict[str, tuple[Column, ...]] = {
    Aggregate.SUM: (Column.TOTAL,),
    Aggregate.MEAN: (Column.TOTAL,),
    Aggregate.MIN: (Column.LOW,),
    Aggregate.MAX: (Column.HIGH,),
    Aggregate.LATEST: LAST_COLUMNS,
    Aggregate.RATE: GROWTH_COLUMNS,
    Aggregate.INCREASE: GROWTH_COLUMNS,
}


class FigureRead(NamedTuple):
    """A figure's value, None where there is none, and how many samples it is made of."""

    value: float | None
    samples: int


_NOTHING = FigureRead(None, 0)


def window_of(figure: Figure) -> WindowSpec:
    """What has to be kept for a figure."""
    if figure.aggregate in _OF_SAMPLES:
        return WindowSpec(None, figure.window, OUTCOME_COLUMNS)
    columns = (Column.COUNT, *_COLUMNS.get(figure.aggregate, ()))
    return WindowSpec(figure.metric, figure.window, columns, has_sketch=figure.percentile is not None)


def merge_specs(specs: Sequence[WindowSpec]) -> tuple[WindowSpec, ...]:
    """Windows for all of these, one for each metric and length."""
    merged: dict[tuple[object, object], WindowSpec] = {}
    for spec in specs:
        key = (spec.metric, spec.window)
        before = merged.get(key, spec)
        asked = {*before.columns, *spec.columns}
        columns = tuple(column for column in Column if column in asked)
        merged[key] = WindowSpec(spec.metric, spec.window, columns, before.has_sketch or spec.has_sketch)
    return tuple(merged.values())


def read_figure(figure: Figure, ring: Ring, at_ms: int) -> FigureRead:
    """The figure of the window that ends at a moment, in milliseconds since 1970.

    Without a sample there is no value, of a count neither. `count` leaves our own errors out unless it asks for them.
    """
    within = ring.within(at_ms)
    if ring.spec.metric is None:
        return _read_outcomes(figure, ring, within)
    samples = int(sum(ring.columns[Column.COUNT][within]))
    if not samples:
        return _NOTHING
    value = _read_values(figure, ring, within, samples)
    return FigureRead(value if value is None or math.isfinite(value) else None, samples)


def _read_outcomes(figure: Figure, ring: Ring, within: slice) -> FigureRead:
    up, degraded, down, errors = (int(sum(ring.columns[column][within])) for column in OUTCOME_COLUMNS)
    known = up + degraded + down
    if figure.aggregate == Aggregate.COUNT:
        counts = {"up": up, "degraded": degraded, "down": down, "error": errors}
        if not known + errors:
            return _NOTHING
        return FigureRead(float(known if figure.outcome is None else counts[figure.outcome]), known + errors)
    if not known:
        return _NOTHING
    if figure.aggregate == Aggregate.UPTIME:
        return FigureRead(100.0 * (up + degraded) / known, known)
    return FigureRead(down / known / (1 - (figure.objective or 0.0) / 100), known)


def _read_values(figure: Figure, ring: Ring, within: slice, samples: int) -> float | None:
    columns = ring.columns
    match figure.aggregate:
        case Aggregate.SUM | Aggregate.MEAN:
            total = _sum(columns[Column.TOTAL][within])
            return total if figure.aggregate == Aggregate.SUM else total / samples
        case Aggregate.MIN:
            return min(columns[Column.LOW][within])
        case Aggregate.MAX:
            return max(columns[Column.HIGH][within])
        case Aggregate.LATEST:
            return columns[Column.LAST][within][-1]
        case Aggregate.INCREASE | Aggregate.RATE:
            return _growth(ring, within, samples, is_rate=figure.aggregate == Aggregate.RATE)
    return _percentile(ring.sketches.within(within), figure.percentile or 0.0, samples)


def _sum(values: Sequence[float]) -> float:
    """The sum; no number where it is beyond the largest one."""
    try:
        return math.fsum(values)
    except (OverflowError, ValueError):
        return math.nan


def _growth(ring: Ring, within: slice, samples: int, *, is_rate: bool) -> float | None:
    """The increase over the window, or that a second; one sample alone tells of neither."""
    first_at, first, last_at, last, growth = (ring.columns[column][within] for column in GROWTH_COLUMNS)
    if samples == 1:
        return None
    between = [grown(before, after) for before, after in zip(last, first[1:], strict=False)]
    increase = _sum((*growth, *between))
    if not is_rate:
        return increase
    seconds = (last_at[-1] - first_at[0]) / 1000
    return increase / seconds if seconds else None


def _percentile(spread: SlotCounts, percentile: float, samples: int) -> float:
    """The value of rank ⌈p/100 · n⌉ (SQL's `percentile_disc`), within 1 %."""
    return value_of(spread.slot_at(max(math.ceil(percentile / 100 * samples), 1)))
