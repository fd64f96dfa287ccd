"""Quiet hours of a channel: whether a severity is quiet at a moment, and until when, by the clock on the wall; pure."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from types import MappingProxyType
from zoneinfo import ZoneInfo

from shared.domain.alert.alerts import Severity
from shared.domain.channel.channels import QuietHours

HORIZON = timedelta(days=8)
"""How far ahead the end is looked for: a week and what a change of the clock moves. Longer quiet is told as this."""

_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_RANKS: Mapping[str, int] = MappingProxyType({severity: rank for rank, severity in enumerate(Severity)})
_ALL = "all"


def quiet_until(quiet_hours: Sequence[QuietHours], severity: str, now: datetime) -> datetime | None:
    """The moment (UTC) at which alerts of this severity are told again, or None when they are told `now`.

    As in Alertmanager's time intervals the clock on the wall decides: an hour that it shows twice is quiet twice, one
    that it skips never comes. Hours that touch or overlap are one. A severity that is none of ours is as the highest.
    """
    meant = [each for each in quiet_hours if _is_meant(each, severity)]
    if not any(_is_quiet(each, now) for each in meant):
        return None
    moments = sorted({moment for each in meant for moment in _ends_of(each, now)})
    later = (moment for moment in moments if moment > now)
    return next((moment for moment in later if not any(_is_quiet(each, moment) for each in meant)), now + HORIZON)


def _is_meant(hours: QuietHours, severity: str) -> bool:
    highest = len(_RANKS) - 1
    return hours.below == _ALL or _RANKS.get(severity, highest) < _RANKS[hours.below]


def _is_quiet(hours: QuietHours, moment: datetime) -> bool:
    local = moment.astimezone(ZoneInfo(hours.timezone))
    start, end, clock = time.fromisoformat(hours.start), time.fromisoformat(hours.end), local.time()
    if start < end:
        return start <= clock < end and _begins_on(hours, local.date())
    return (clock >= start and _begins_on(hours, local.date())) or (
        clock < end and _begins_on(hours, local.date() - _DAY)
    )


def _begins_on(hours: QuietHours, day: date) -> bool:
    return not hours.days or _DAYS[day.weekday()] in hours.days


def _ends_of(hours: QuietHours, now: datetime) -> Iterator[datetime]:
    """All moments within the horizon at which it may end: when its clock shows the end, and when that jumps."""
    zone = ZoneInfo(hours.timezone)
    end, today = time.fromisoformat(hours.end), now.astimezone(zone).date()
    for ahead in range(-1, HORIZON // _DAY + 1):
        day = today + ahead * _DAY
        # Where a day of the week begins that is not meant, quiet hours round the clock end at midnight or at `end`.
        for wall in (datetime.combine(day, end), datetime.combine(day, time())):
            yield from {wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}
        yield from _jump_within(zone, datetime.combine(day, time(), tzinfo=zone).astimezone(UTC))


def _jump_within(zone: ZoneInfo, start: datetime) -> Iterator[datetime]:
    """The moment, to a second, at which the clock is changed in the day after `start`, if it is."""
    before, after = start, start + _DAY
    offset = before.astimezone(zone).utcoffset()
    if after.astimezone(zone).utcoffset() == offset:
        return
    while after - before > _SECOND:
        middle = before + ((after - before) // 2 // _SECOND) * _SECOND
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    yield after
