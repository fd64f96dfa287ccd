from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.monitor.schedules import MAX_WALK, Schedule, ScheduleError, check_cron, check_timezone, phase_of

MONITOR = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
BERLIN = "Europe/Berlin"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@given(
    interval=st.integers(1000, 10**8).map(lambda ms: timedelta(milliseconds=ms)),
    moment=st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - bounds of naive strategies
    monitor_id=st.uuids(),
)
def test_slots_of_an_interval_are_equally_far_apart_for_ever(
    interval: timedelta, moment: datetime, monitor_id: UUID
) -> None:
    """The next slot is after the moment, by an interval at most, and the one after it exactly an interval later."""
    schedule = Schedule(interval=interval, phase=phase_of(monitor_id, interval))
    slot = schedule.next_after(moment)
    assert timedelta(0) < slot - moment <= interval
    assert schedule.next_after(slot) == slot + interval
    assert slot.microsecond % 1000 == 0


def test_monitors_are_spread_over_their_interval() -> None:
    """A thousand monitors of one minute fall into all of its seconds, none of which has more than a twentieth."""
    minute = timedelta(minutes=1)
    seconds = [phase_of(UUID(int=number), minute) // timedelta(seconds=1) for number in range(1000)]
    assert set(seconds) == set(range(60))
    assert max(map(seconds.count, range(60))) < 50


@pytest.mark.parametrize(
    ("expression", "moment", "expected"),
    [
        # 02:30 does not exist on 2026-03-29: it is the moment the clock has gone on to.
        ("30 2 * * *", "2026-03-28T12:00", ["2026-03-29T01:00", "2026-03-30T00:30"]),
        # 02:30 is there twice on 2026-10-25, and comes once.
        ("30 2 * * *", "2026-10-24T12:00", ["2026-10-25T00:30", "2026-10-26T01:30"]),
        # What comes each half hour comes in both of the hours.
        ("*/30 * * * *", "2026-10-25T00:10", ["2026-10-25T00:30", "2026-10-25T01:00", "2026-10-25T01:30"]),
    ],
)
def test_cron_is_right_across_daylight_saving_time(expression: str, moment: str, expected: list[str]) -> None:
    """As cron itself has it, since Debian's."""
    schedule, slot, found = Schedule(cron=expression, timezone=BERLIN), at(moment), []
    for _ in expected:
        slot = schedule.next_after(slot)
        found.append(slot)
    assert found == [at(each) for each in expected]


def test_a_span_counts_what_the_slots_list() -> None:
    """Both kinds of schedules; of a cron expression no more than is walked at once."""
    first = at("2026-01-01T00:00")
    for schedule in (Schedule(interval=timedelta(minutes=5)), Schedule(cron="*/5 * * * *")):
        listed = list(schedule.slots(first, at("2026-01-01T03:04")))
        assert schedule.span(first, at("2026-01-01T03:04")) == (37, listed[-1]) == (len(listed), at("2026-01-01T03:00"))
        assert schedule.span(first, first - timedelta(seconds=1)) == (0, first)
    assert Schedule(cron="* * * * *").span(first, at("2026-02-01T00:00"))[0] == MAX_WALK


@pytest.mark.parametrize(
    "expression", ["", "* * * *", "61 * * * *", "0 0 30 2 *", "a b c d e", "* * * * * *", "@daily"]
)
def test_what_is_no_cron_expression_is_refused(expression: str) -> None:
    """Also one that never comes, and one with seconds."""
    with pytest.raises(ScheduleError):
        check_cron(expression)


def test_a_time_zone_has_to_be_one() -> None:
    """Names of the IANA database."""
    check_timezone(BERLIN)
    with pytest.raises(ScheduleError, match="Europe/Berlin"):
        check_timezone("Europe/Atlantis")
