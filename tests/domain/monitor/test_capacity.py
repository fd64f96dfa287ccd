"""What limits the workers, and how many more it takes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.domain.monitor.capacity import CapacityFigures, CapacityLimit, decide_capacity, slots_per_second
from shared.domain.monitor.schedules import Schedule

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CALM = CapacityFigures(
    monitors=6000,
    scheduled_per_second=100.0,
    busy_looks=5.0,
    workers=2,
    checks_per_second=100.0,
    cpu_share=0.4,
    slots_per_worker=100,
    overloaded_since=None,
)


@pytest.mark.parametrize(
    ("changes", "limit", "add"),
    [
        ({}, CapacityLimit.NOTHING, 0),
        ({"cpu_share": 1.6}, CapacityLimit.NOTHING, 0),
        ({"cpu_share": 1.7}, CapacityLimit.CPU, 1),
        ({"cpu_share": 1.6, "scheduled_per_second": 400.0}, CapacityLimit.CPU, 6),
        ({"busy_looks": 300.0}, CapacityLimit.SLOTS, 2),
        ({"cpu_share": 1.5, "overloaded_since": NOW}, CapacityLimit.CPU, 1),
        ({"cpu_share": 0.5, "overloaded_since": NOW}, CapacityLimit.DATABASE, 0),
        ({"checks_per_second": 0.0, "cpu_share": 0.0}, CapacityLimit.NOTHING, 0),
        ({"workers": 0}, CapacityLimit.WORKERS, 1),
        ({"workers": 0, "monitors": 0}, CapacityLimit.NOTHING, 0),
    ],
)
def test_what_is_scarce_is_named(changes: dict[str, object], limit: CapacityLimit, add: int) -> None:
    """Workers are only asked for where they would help."""
    capacity = decide_capacity(replace(CALM, **changes))  # type: ignore[arg-type]
    assert (capacity.limited_by, capacity.add_workers) == (limit, add)


def test_headroom_is_what_is_left_below_eighty_percent() -> None:
    """Two workers that use 0.4 cores for 100 looks a second can take 400 with 1.6."""
    capacity = decide_capacity(CALM)
    assert capacity.possible_per_second == pytest.approx(400)
    assert capacity.headroom_per_second == pytest.approx(300)


def test_nothing_is_claimed_that_was_not_measured() -> None:
    """A few looks tell nothing of what looks cost."""
    assert decide_capacity(replace(CALM, checks_per_second=2.0)).possible_per_second is None


@pytest.mark.parametrize(
    ("schedule", "seconds"),
    [
        (Schedule(interval=timedelta(seconds=10)), 10),
        (Schedule(cron="*/5 * * * *"), 300),
        (Schedule(cron="0 4 * * *"), 86_400),
        (Schedule(cron="0,30 9 * * *"), 43_200),
    ],
)
def test_a_schedule_has_a_rate(schedule: Schedule, seconds: float) -> None:
    """Of a cron expression on average."""
    assert 1 / slots_per_second(schedule) == pytest.approx(seconds, rel=0.05)
