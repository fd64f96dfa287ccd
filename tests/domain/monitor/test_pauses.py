"""The slots that a pause has cost."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.monitor.pauses import gap_of_pause
from shared.domain.monitor.schedules import MAX_WALK, Schedule
from shared.domain.monitor.slots import GapReason

ID = UUID(int=1)
NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def test_the_slots_of_a_pause_are_missed_for_it() -> None:
    """From the moment it began up to the moment it ended, both included."""
    gap = gap_of_pause(ID, Schedule(interval=MINUTE), paused_at=NOON, resumed_at=NOON + 5 * MINUTE)
    assert gap is not None
    assert (gap.first_slot, gap.last_slot, gap.slots) == (NOON, NOON + 5 * MINUTE, 6)
    assert (gap.monitor_id, gap.reason) == (ID, GapReason.PAUSED)


def test_a_pause_between_two_slots_has_cost_none() -> None:
    """Nothing is written of it."""
    pause = {"paused_at": NOON + timedelta(seconds=1), "resumed_at": NOON + timedelta(seconds=59)}
    assert gap_of_pause(ID, Schedule(interval=MINUTE), **pause) is None


@given(
    interval=st.integers(1, 100_000),
    begun=st.integers(0, 10**6),
    lasted=st.integers(0, 10**6),
    phase=st.integers(0, 99),
)
def test_each_slot_of_a_pause_is_counted_once(interval: int, begun: int, lasted: int, phase: int) -> None:
    """As a walk along them counts."""
    schedule = Schedule(interval=timedelta(milliseconds=interval), phase=timedelta(milliseconds=phase % interval))
    paused_at = NOON + timedelta(milliseconds=begun)
    resumed_at = paused_at + timedelta(milliseconds=min(lasted, 300 * interval))
    gap = gap_of_pause(ID, schedule, paused_at=paused_at, resumed_at=resumed_at)
    slots = list(schedule.slots(schedule.next_after(paused_at - timedelta(microseconds=1)), resumed_at))
    assert (0 if gap is None else gap.slots) == len(slots)
    if gap is not None:
        assert (gap.first_slot, gap.last_slot) == (slots[0], slots[-1])


@pytest.mark.parametrize("days", [5, 365])
def test_years_of_minutes_are_not_walked_through(days: int) -> None:
    """The first thousand are counted, the others estimated; every minute has its slot, so that it is exact here."""
    end = NOON + timedelta(days=days)
    gap = gap_of_pause(ID, Schedule(cron="* * * * *"), paused_at=NOON, resumed_at=end)
    assert gap is not None
    assert gap.last_slot == end
    exact = days * 1440 + 1
    assert gap.slots == exact if exact <= MAX_WALK else abs(gap.slots - exact) / exact < 0.001
