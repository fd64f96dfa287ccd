"""What is dropped when samples take too much room: chunks first, the oldest month of them, then hours; pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from shared.domain.target.quantities import SIZE_UNITS

_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?)\s?([A-Za-z]*)")


@dataclass(frozen=True, slots=True)
class MonthSize:
    """A month of chunks with its notes, or of hours: until when it reaches, and how many bytes it takes."""

    end: datetime
    bytes: int


@dataclass(frozen=True, slots=True)
class Cut:
    """Up to when samples, and hours, have to go so that the rest fits; None where nothing of them has to."""

    samples: datetime | None = None
    hours: datetime | None = None
    is_enough: bool = True
    """Whether the rest fits then; what is younger than a whole month is never dropped."""


def parse_size(text: str) -> int:
    """Bytes as people write them: `20GB`, `1.5TiB`, `0`.

    Raises:
        ValueError: it is no size.
    """
    match = _SIZE.fullmatch(text.strip())
    if not match or match[2] not in {"", *SIZE_UNITS}:
        raise ValueError(f'"{text[:40]}" is no size; write for example "20GB" or "500MiB", 0 for no limit')
    return int(Decimal(match[1]) * SIZE_UNITS.get(match[2] or "B", 1))


def choose_cut(chunks: Sequence[MonthSize], hours: Sequence[MonthSize], *, total: int, cap: int) -> Cut:
    """Choose whole months, each list oldest first, until the rest of `total` bytes is at most `cap`."""
    if not cap or total <= cap:
        return Cut()
    samples_until, total = _cut(chunks, total, cap)
    hours_until, total = _cut(hours, total, cap)
    return Cut(samples_until, hours_until, is_enough=total <= cap)


def _cut(months: Sequence[MonthSize], total: int, cap: int) -> tuple[datetime | None, int]:
    until = None
    for month in months:
        if total <= cap:
            break
        until, total = month.end, total - month.bytes
    return until, total
