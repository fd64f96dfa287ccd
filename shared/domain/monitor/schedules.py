"""When a monitor is collected: at a fixed rate or by a cron expression. A slot is one such moment; pure."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_CRON_FIELDS = 5

MAX_WALK = 1_000
"""How many slots of a cron expression are walked at once, 0.1 s; a gap of more is told in several."""

_REMEMBERED_SLOTS = 32_768


class ScheduleError(ValueError):
    """The schedule cannot be read or never comes; the message says why."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Either a fixed `interval`, begun `phase` after 1970 so that monitors are spread, or a `cron` in a time zone.

    Slots are whole milliseconds. They are computed and never added up, so that nothing drifts.
    """

    interval: timedelta | None = None
    phase: timedelta = timedelta(0)
    cron: str | None = None
    timezone: str = "UTC"

    def next_after(self, moment: datetime) -> datetime:
        """The first slot after `moment` (aware); of a cron expression right across changes of daylight saving time."""
        if self.interval is not None:
            return moment + self.interval - (moment - _EPOCH - self.phase) % self.interval
        return _next_of_cron(self.cron or "", self.timezone, moment)

    def slots(self, first: datetime, until: datetime) -> Iterator[datetime]:
        """The slot `first` and those after it, up to and including `until`."""
        slot = first
        while slot <= until:
            yield slot
            slot = self.next_after(slot)

    def span(self, first: datetime, until: datetime) -> tuple[int, datetime]:
        """How many slots there are from the slot `first` up to and including `until`, and which is the last.

        Of a cron expression `MAX_WALK` at most: the caller goes on behind the last one.
        """
        if first > until:
            return 0, first
        if self.interval is not None:
            more = (until - first) // self.interval
            return more + 1, first + more * self.interval
        count, last = 0, first
        for slot in self.slots(first, until):
            count, last = count + 1, slot
            if count == MAX_WALK:
                break
        return count, last


@lru_cache(maxsize=_REMEMBERED_SLOTS)
def _next_of_cron(expression: str, timezone: str, moment: datetime) -> datetime:
    """Remembered, because many monitors share an expression and are due together: each step takes 0.1 ms."""
    slot: datetime = next(CronSim(expression, moment.astimezone(ZoneInfo(timezone))))
    return slot.astimezone(UTC)


def phase_of(monitor_id: UUID, interval: timedelta) -> timedelta:
    """Where in its interval a monitor is collected: spread by a hash of its id, the same for ever."""
    number = int.from_bytes(hashlib.sha256(monitor_id.bytes).digest()[:8])
    return number % max(1, interval // _MILLISECOND) * _MILLISECOND


@lru_cache(maxsize=4096)
def check_cron(expression: str) -> None:
    """Refuse what is no cron expression of five fields, or never comes.

    Raises:
        ScheduleError: the message says why.
    """
    if len(expression.split()) != _CRON_FIELDS:
        raise ScheduleError("a cron expression has five fields: minute, hour, day of month, month, day of week")
    try:
        next(CronSim(expression, _EPOCH))
    except CronSimError as error:
        reason = str(error).removeprefix("Bad ")
        raise ScheduleError(
            f"the cron expression's {reason} cannot be read; write for example */5 8-18 * * 1-5"
        ) from error
    except StopIteration:
        raise ScheduleError("the cron expression never comes") from None


@lru_cache(maxsize=1)
def _known_timezones() -> frozenset[str]:
    return frozenset(available_timezones())


def check_timezone(name: str) -> None:
    """Refuse what is no time zone of the IANA database.

    Raises:
        ScheduleError: it is none.
    """
    if name not in _known_timezones():
        raise ScheduleError(f'"{name[:60]}" is no time zone; write for example "Europe/Berlin" or "UTC"')
