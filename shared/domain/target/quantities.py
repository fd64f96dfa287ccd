"""Numbers as people write them in conditions: `300`, `5MB`, `10m`, each turned into its placeholder's unit."""

import re
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType

from shared.domain.durations import parse_duration
from shared.domain.target.kinds import Quantity

SIZE_UNITS: Mapping[str, int] = MappingProxyType(
    {
        "B": 1,
        "kB": 1000,
        "KB": 1000,
        "MB": 1000**2,
        "GB": 1000**3,
        "TB": 1000**4,
        "KiB": 1024,
        "MiB": 1024**2,
        "GiB": 1024**3,
        "TiB": 1024**4,
    }
)
"""Bytes in each unit: those with an `i` (IEC 80000-13) are powers of 1024, all others of 1000."""

_NUMBER = re.compile(r"[+-]?\d{1,18}(\.\d{1,18})?([eE][+-]?\d{1,2})?")
_SIZE = re.compile(rf"({_NUMBER.pattern})\s?({'|'.join(SIZE_UNITS)})")
_DURATION = re.compile(r"-?\d[\d.a-z]{0,40}")

_PER_SECOND: Mapping[Quantity, int] = MappingProxyType({Quantity.MILLISECONDS: 1000, Quantity.SECONDS: 1})


class QuantityError(ValueError):
    """A number that does not fit what stands to its left."""


def read_number(text: str, quantity: Quantity) -> int | float | None:
    """The number that `text` stands for in the unit of `quantity`, or None where it is no number at all.

    Raises:
        QuantityError: it is a size or a duration and the placeholder is neither.
    """
    if _NUMBER.fullmatch(text):
        return _plain(Decimal(text))
    size = _SIZE.fullmatch(text)
    if size:
        return _read_size(size, quantity)
    seconds = _read_seconds(text)
    if seconds is None or quantity in {Quantity.ANY, Quantity.NAMED, Quantity.TEXT}:
        return None
    if quantity not in _PER_SECOND:
        raise QuantityError(f'"{text}" is a duration, which cannot be compared with {_NOUNS[quantity]}')
    return _plain(seconds * _PER_SECOND[quantity])


def _read_size(match: re.Match[str], quantity: Quantity) -> int | float | None:
    if quantity is Quantity.TEXT:
        return None
    if quantity not in {Quantity.BYTES, Quantity.ANY, Quantity.NAMED}:
        raise QuantityError(f'"{match.group()}" is a size, which cannot be compared with {_NOUNS[quantity]}')
    return _plain(Decimal(match[1]) * SIZE_UNITS[match[4]])


def _read_seconds(text: str) -> Decimal | None:
    if not _DURATION.fullmatch(text):
        return None
    try:
        duration = parse_duration(text.removeprefix("-"))
    except ValueError:
        return None
    microseconds = (duration.days * 86_400 + duration.seconds) * 1_000_000 + duration.microseconds
    return Decimal(-microseconds if text.startswith("-") else microseconds) / 1_000_000


def _plain(number: Decimal) -> int | float:
    """An integer where it is one, so that large counts compare exactly."""
    return int(number) if number == number.to_integral_value() else float(number)


_NOUNS: Mapping[Quantity, str] = MappingProxyType(
    {
        Quantity.NUMBER: "a plain number",
        Quantity.MILLISECONDS: "a time in milliseconds",
        Quantity.SECONDS: "a time in seconds",
        Quantity.BYTES: "a size in bytes",
        Quantity.BOOLEAN: "true or false",
        Quantity.TEXT: "text",
        Quantity.ANY: "a value",
        Quantity.NAMED: "a value",
    }
)


def name_quantity(quantity: Quantity) -> str:
    """What the quantity is, for a sentence."""
    return _NOUNS[quantity]
