"""When a day of samples is packed, and how its series are divided into transactions; pure."""

from collections.abc import Iterable
from datetime import datetime

from shared.domain.sample.segments import DAY, Horizon, floor_to


def closable_until(horizon: Horizon, *, now: datetime, hot_days: int) -> datetime:
    """The moment before which days may be closed: they are no longer hot, and summed up from their rows."""
    hot_from = floor_to(now, DAY) - (hot_days - 1) * DAY
    return max(horizon.closed_until, min(hot_from, floor_to(horizon.days_computed_at, DAY)))


def first_up_to(sizes: Iterable[tuple[int, int]], most: int) -> list[int]:
    """The first keys whose sizes together are at most `most`, one at least; of pairs of a key and its size."""
    taken: list[int] = []
    total = 0
    for key, size in sizes:
        total += size
        if taken and total > most:
            break
        taken.append(key)
    return taken
