"""What is due is packed into rounds, and an overload begins and ends once."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.monitor.rounds import MAX_VISITS
from shared.domain.monitor.schedules import Schedule
from shared.domain.monitor.scheduling import (
    HORIZON,
    LONG_PATIENCE,
    MIN_WAITING,
    SHORT_PATIENCE,
    Due,
    FarSchedule,
    Pressure,
    decide_flow,
    pack_rounds,
    patience_of,
)
from shared.domain.monitor.slots import DueMonitor, GapReason, Plan, Visit, plan_visits

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def planned(number: int, *, seconds: float = 0.0, site: str = "a", interval: int = 10) -> tuple[Due, Plan]:
    schedule = Schedule(interval=interval * SECOND)
    monitor = DueMonitor(UUID(int=number), 1, schedule, NOW + seconds * SECOND)
    due = Due(monitor, site, patience_of(schedule.interval))
    return due, Plan(NOW + 10 * SECOND, [Visit(UUID(int=number), 1, NOW + seconds * SECOND)])


@given(
    st.lists(
        st.tuples(st.floats(-5, 1), st.sampled_from(["a", "b", "c"]), st.sampled_from([1, 10, 30, 600])), max_size=350
    )
)
def test_every_look_is_in_one_round(looks: list[tuple[float, str, int]]) -> None:
    """Rounds are as few as can hold them, by slots, and none may be begun when its shortest interval is long over."""
    each = [
        planned(number, seconds=seconds, site=site, interval=interval)
        for number, (seconds, site, interval) in enumerate(looks)
    ]
    packed = list(pack_rounds(each, now=NOW))
    assert sorted(visit.monitor_id for one in packed for visit in one.visits) == [UUID(int=n) for n in range(len(each))]
    for one in packed:
        slots = [visit.slot for visit in one.visits]
        assert slots == sorted(slots)
        assert 0 < len(slots) <= MAX_VISITS
        shortest = min(looks[visit.monitor_id.int][2] for visit in one.visits)
        assert one.expires_at - max(NOW, slots[-1]) == patience_of(shortest * SECOND)
    short = sum(interval < LONG_PATIENCE.seconds for _, _, interval in looks)
    assert len(packed) == -(-short // MAX_VISITS) + -(-(len(looks) - short) // MAX_VISITS)


def test_one_site_is_spread_over_the_rounds() -> None:
    """As evenly as it goes."""
    each = [planned(number, site="slow" if number < 10 else "quick") for number in range(1000)]
    shares = [sum(v.monitor_id.int < 10 for v in one.visits) for one in pack_rounds(each, now=NOW)]
    assert shares == [1] * 10


def test_patience_goes_by_the_interval() -> None:
    """A cron expression is taken for a long one."""
    assert [patience_of(SECOND), patience_of(LONG_PATIENCE), patience_of(None)] == [
        SHORT_PATIENCE,
        LONG_PATIENCE,
        LONG_PATIENCE,
    ]


CALM = Pressure(NOW, waiting=2, running=5, overdue=timedelta(0))


@pytest.mark.parametrize(
    ("pressure", "is_open", "since", "reason"),
    [
        (CALM, True, None, GapReason.LATE),
        (Pressure(NOW, waiting=9, running=9, waited=2 * SECOND), True, None, GapReason.LATE),
        (Pressure(NOW, waiting=9, running=9, waited=4 * SECOND), False, NOW, GapReason.OVERLOAD),
        (Pressure(NOW, waiting=MIN_WAITING, running=2, waited=SECOND), False, None, GapReason.LATE),
        (Pressure(NOW, waiting=MIN_WAITING, running=50, waited=SECOND), True, None, GapReason.LATE),
        (
            Pressure(NOW, waiting=9, running=9, waited=2 * SECOND, overloaded_since=NOW - SECOND),
            False,
            NOW - SECOND,
            GapReason.OVERLOAD,
        ),
        (
            Pressure(NOW, waiting=0, running=9, overdue=5 * SECOND, overloaded_since=NOW - SECOND),
            True,
            NOW - SECOND,
            GapReason.OVERLOAD,
        ),
        (
            Pressure(NOW, waiting=9, running=9, waited=SECOND / 2, overloaded_since=NOW - SECOND),
            True,
            NOW - SECOND,
            GapReason.OVERLOAD,
        ),
        (Pressure(NOW, waiting=2, running=9, overloaded_since=NOW - SECOND), True, None, GapReason.OVERLOAD),
    ],
)
def test_an_overload_begins_late_and_ends_late(
    pressure: Pressure, *, is_open: bool, since: datetime | None, reason: GapReason
) -> None:
    """It stops rounds while they wait, and stands until what is overdue has had its look."""
    flow = decide_flow(pressure)
    assert (flow.is_open, flow.overloaded_since, flow.reason) == (is_open, since, reason)


@given(interval=st.integers(1, 3600), ahead=st.integers(0, 1000), turn=st.integers(0, 1000))
def test_what_was_just_scheduled_is_never_set_right(interval: int, ahead: int, turn: int) -> None:
    """Neither what was planned a horizon ahead, whatever its interval; two intervals further is noticed."""
    schedule = Schedule(interval=interval * SECOND, phase=timedelta(milliseconds=ahead))
    now = NOW + timedelta(milliseconds=turn)
    monitor = DueMonitor(UUID(int=1), 1, schedule, schedule.next_after(now))
    plan = plan_visits(monitor, now=now, until=now + HORIZON, reason=GapReason.LATE)
    assert FarSchedule(UUID(int=1), schedule, plan.next_slot, now).anchored() is None
    far = plan.next_slot + 2 * interval * SECOND + 2 * HORIZON
    anchored = FarSchedule(UUID(int=1), schedule, far, now).anchored()
    assert anchored is not None
    assert now < anchored.next_slot <= now + interval * SECOND
