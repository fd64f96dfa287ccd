import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.monitor.rounds import decode_round, encode_round
from shared.domain.monitor.schedules import MAX_WALK, Schedule
from shared.domain.monitor.slots import DueMonitor, Gap, GapReason, Visit, plan_visits

MONITOR = UUID(int=7)
START = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
TEN_SECONDS = Schedule(interval=10 * SECOND)


def due(seconds: float, *, schedule: Schedule = TEN_SECONDS, confirm_at: datetime | None = None) -> DueMonitor:
    return DueMonitor(MONITOR, 3, schedule, START + seconds * SECOND, confirm_at, 2 if confirm_at else 0)


def test_a_slot_that_is_due_soon_is_planned_and_the_next_one_waits() -> None:
    """The look is told ahead of its moment."""
    plan = plan_visits(due(10), now=START + 9.5 * SECOND, until=START + 10.5 * SECOND, reason=GapReason.LATE)
    assert plan.visits == [Visit(MONITOR, 3, START + 10 * SECOND)]
    assert (plan.next_slot, plan.gaps) == (START + 20 * SECOND, [])


def test_of_slots_that_have_passed_only_the_newest_is_run() -> None:
    """The others are missed, and why is told."""
    plan = plan_visits(due(10), now=START + 45 * SECOND, until=START + 46 * SECOND, reason=GapReason.OVERLOAD)
    assert plan.gaps == [Gap(MONITOR, START + 10 * SECOND, START + 30 * SECOND, 3, GapReason.OVERLOAD)]
    assert [visit.slot for visit in plan.visits] == [START + 40 * SECOND]


def test_a_long_gap_of_a_cron_expression_is_told_in_parts() -> None:
    """No more slots are walked at once than the bound, and none of them is run so late."""
    schedule = Schedule(cron="* * * * *")
    plan = plan_visits(
        due(0, schedule=schedule),
        now=START + timedelta(days=30),
        until=START + timedelta(days=30),
        reason=GapReason.LATE,
    )
    assert [gap.slots for gap in plan.gaps] == [MAX_WALK]
    assert plan.visits == ()
    assert plan.next_slot == START + MAX_WALK * timedelta(minutes=1)


def test_monitors_of_one_cron_expression_are_caught_up_with_by_one_walk() -> None:
    """Hundreds that were due each minute of half a day: a worker plans them without losing its leases over it."""
    schedule = Schedule(cron="* * * * *", timezone="Europe/Berlin")
    now = START + timedelta(hours=12)
    began = time.process_time()
    for number in range(300):
        late = DueMonitor(UUID(int=number), 1, schedule, START)
        assert plan_visits(late, now=now, until=now, reason=GapReason.LATE).gaps[0].slots == 720
    assert time.process_time() - began < 5


def test_a_confirmation_is_a_look_of_its_own() -> None:
    """It moves no slot."""
    asked = due(20, confirm_at=START + 5 * SECOND)
    plan = plan_visits(asked, now=START + 6 * SECOND, until=START + 7 * SECOND, reason=GapReason.LATE)
    assert plan.visits == [Visit(MONITOR, 3, START + 6 * SECOND, confirmation=2)]
    assert (plan.is_confirmed, plan.next_slot) == (True, START + 20 * SECOND)


@given(interval=st.integers(1, 100), turns=st.lists(st.tuples(st.integers(0, 300), st.integers(0, 3)), max_size=20))
def test_every_slot_is_run_once_or_missed_once(interval: int, turns: list[tuple[int, int]]) -> None:
    """However the scheduler's turns fall: what it ran and what it missed are together all slots, in order."""
    schedule = Schedule(interval=interval * SECOND)
    first = slot = schedule.next_after(START)
    now, told = START, []
    for wait, ahead in turns:
        now += wait * SECOND
        monitor = DueMonitor(MONITOR, 1, schedule, slot)
        plan = plan_visits(monitor, now=now, until=now + ahead * SECOND, reason=GapReason.LATE)
        for gap in plan.gaps:
            listed = list(schedule.slots(gap.first_slot, gap.last_slot))
            assert len(listed) == gap.slots
            told += listed
        told += [visit.slot for visit in plan.visits]
        assert all(visit.slot > now - interval * SECOND for visit in plan.visits)
        slot = plan.next_slot
    assert told == list(schedule.slots(first, slot - interval * SECOND))


def test_a_round_is_read_as_it_was_written() -> None:
    """Ids and moments, to the millisecond."""
    visits = [
        Visit(MONITOR, 1, START + timedelta(milliseconds=1)),
        Visit(UUID(int=8), 2, START, confirmation=3),
        Visit(UUID(int=9), 4, START, is_manual=True),
    ]
    assert decode_round(encode_round(visits)) == visits
