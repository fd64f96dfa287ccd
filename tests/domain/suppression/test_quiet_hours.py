"""Quiet hours, against a clock that is looked at each minute."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.domain.channel.channels import QuietHours
from shared.domain.suppression.quiet_hours import HORIZON, quiet_until

MINUTE = timedelta(minutes=1)
DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia"]
CLOCKS = st.builds("{:02}:{:02}".format, st.sampled_from([0, 1, 2, 3, 12, 22, 23]), st.sampled_from([0, 15, 30, 59]))
HOURS = st.builds(
    QuietHours,
    start=CLOCKS,
    end=CLOCKS,
    timezone=st.sampled_from(ZONES),
    days=st.lists(st.sampled_from(DAYS), unique=True, max_size=6),
)
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
CHANGED = [87, 297, 66, 304, 93, 275]
"""The days of the year 2026 on which clocks are changed in those zones."""
MOMENTS = st.builds(
    lambda day, minutes: NEW_YEAR + timedelta(days=day, minutes=minutes),
    st.one_of(st.sampled_from(CHANGED), st.integers(0, 364)),
    st.integers(-1500, 1500),
)


def is_quiet(hours: QuietHours, moment: datetime) -> bool:
    """What somebody says who looks at the clock on the wall and counts the minutes since the hours began."""
    local = moment.astimezone(ZoneInfo(hours.timezone))
    start, end = (int(text[:2]) * 60 + int(text[3:]) for text in (hours.start, hours.end))
    lasts = (end - start) % 1440 or 1440
    for days_ago in (0, 1):
        since = local.hour * 60 + local.minute - start + days_ago * 1440
        begun_on = DAYS[(local.weekday() - days_ago) % 7]
        if 0 <= since < lasts and (not hours.days or begun_on in hours.days):
            return True
    return False


@settings(max_examples=60, deadline=None)
@given(st.lists(HOURS, min_size=1, max_size=3), MOMENTS)
@example([QuietHours(start="22:00", end="02:30", timezone="Europe/Berlin")], datetime(2026, 10, 25, 0, 10, tzinfo=UTC))
@example([QuietHours(start="22:00", end="02:30", timezone="Europe/Berlin")], datetime(2026, 3, 29, 0, 10, tzinfo=UTC))
def test_the_end_of_quiet_is_the_first_minute_that_is_not(hours: list[QuietHours], now: datetime) -> None:
    """Across midnight, days of the week, time zones and changes of the clock."""
    minutes = range(int(HORIZON / MINUTE))
    loud = (
        now + after * MINUTE for after in minutes if not any(is_quiet(each, now + after * MINUTE) for each in hours)
    )
    first = next(loud, now + HORIZON)
    expected = None if first == now else first
    assert quiet_until(hours, "warning", now) == expected


@pytest.mark.parametrize(
    ("below", "quiet"),
    [("warning", ["info"]), ("critical", ["info", "warning"]), ("all", ["info", "warning", "critical", "page"])],
)
def test_only_what_matters_less_is_quiet(below: str, quiet: list[str]) -> None:
    """A severity that is none of ours is taken for the highest."""
    hours = [QuietHours.model_validate({"start": "00:00", "end": "00:00", "below": below})]
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    told = [each for each in ("info", "warning", "critical", "page") if quiet_until(hours, each, now) is None]
    assert [each for each in ("info", "warning", "critical", "page") if each not in told] == quiet


def test_seconds_are_cut_to_the_end_itself() -> None:
    """The end is a whole minute, whenever it is asked for."""
    hours = [QuietHours(start="22:00", end="07:00")]
    assert quiet_until(hours, "info", datetime(2026, 3, 1, 6, 59, 59, 999999, tzinfo=UTC)) == datetime(
        2026, 3, 1, 7, tzinfo=UTC
    )
    assert quiet_until(hours, "info", datetime(2026, 3, 1, 7, tzinfo=UTC)) is None


def test_who_is_never_told_hears_so_for_the_horizon() -> None:
    """Quiet round the clock has no end that could be named."""
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert quiet_until([QuietHours(start="08:00", end="08:00")], "info", now) == now + HORIZON
