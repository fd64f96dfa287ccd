"""The numbers of expressions, each in its figure's own unit: `300`, `2s`, `5 MB`, `99%`, `14d`."""

import re
from enum import StrEnum

from shared.domain.rule.figures import Aggregate, Figure
from shared.domain.target.kinds import Quantity
from shared.domain.target.quantities import SIZE_UNITS, QuantityError, read_number

_NUMBER = re.compile(r"[+-]?[0-9]{1,309}(\.[0-9]{1,400})?([eE][+-]?[0-9]{1,3})?")
_DAY_SECONDS = 86_400
_MOST_EXACT = 10**15
_WRITTEN_SIZES = ("TB", "GB", "MB", "kB", "TiB", "GiB", "MiB", "KiB")
_TIME_WORDS = frozenset({"ms", "s", "m", "h", "d"})
UNIT_WORDS = frozenset(SIZE_UNITS) | _TIME_WORDS
"""What may stand apart from its number, as in `5 MB`."""


class Unit(StrEnum):
    """What a figure is counted in."""

    MILLISECONDS = "milliseconds"
    SECONDS = "seconds"
    DAYS = "days"
    BYTES = "bytes"
    PERCENT = "percent"
    PLAIN = "plain"


_SUFFIXES = {"_ms": Unit.MILLISECONDS, "_seconds": Unit.SECONDS, "_days": Unit.DAYS, "_bytes": Unit.BYTES}
_QUANTITIES = {
    Unit.MILLISECONDS: Quantity.MILLISECONDS,
    Unit.SECONDS: Quantity.SECONDS,
    Unit.DAYS: Quantity.SECONDS,
    Unit.BYTES: Quantity.BYTES,
}


def unit_of(figure: Figure) -> Unit:
    """What the figure is counted in: by the last part of its metric's name."""
    if figure.aggregate == Aggregate.UPTIME:
        return Unit.PERCENT
    metric = figure.metric or ""
    return next((unit for suffix, unit in _SUFFIXES.items() if metric.endswith(suffix)), Unit.PLAIN)


def read_value(text: str, unit: Unit) -> float:
    """The number that is written, in the unit.

    Raises:
        ValueError: it is none, or one of something else.
    """
    if _NUMBER.fullmatch(text):
        return float(text)
    number = read_number(text, _QUANTITIES.get(unit, Quantity.NUMBER))
    if number is None:
        raise QuantityError(f'"{text[:40]}" is no number')
    return number / _DAY_SECONDS if unit is Unit.DAYS else float(number)


def format_value(value: float, unit: Unit) -> str:
    """Write a number so that `read_value` reads the same one; a size in the largest unit of which it is a multiple."""
    if unit is Unit.BYTES and value.is_integer() and 0 < abs(value) < _MOST_EXACT:
        size = next((name for name in _WRITTEN_SIZES if int(value) % SIZE_UNITS[name] == 0), None)
        if size is not None:
            return f"{int(value) // SIZE_UNITS[size]} {size}"
    return f"{format_number(value)}%" if unit is Unit.PERCENT else format_number(value)


def format_number(value: float) -> str:
    """Write a plain number, without a fraction where it has none."""
    return str(int(value)) if value.is_integer() and abs(value) < _MOST_EXACT else repr(value)
