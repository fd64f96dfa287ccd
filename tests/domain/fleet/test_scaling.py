"""How many workers a queue needs, and when more of them would not help."""

from datetime import UTC, datetime
from typing import Any

import pytest

from shared.domain.fleet.queues import Flow, QueueFigures
from shared.domain.fleet.scaling import LimitedBy, Scaling, ScalingReason, decide_scaling
from shared.domain.job.jobs import BlockReason

SLOTS = 10


def scaling(*, is_paused: bool = False, is_refusing: bool = False, **values: Any) -> Scaling:
    values = {"workers": 2, "slots": 20} | values
    found = QueueFigures(measured_at=datetime(2030, 1, 1, tzinfo=UTC), **values)
    return decide_scaling(found, slots_per_worker=SLOTS, is_paused=is_paused, is_refusing=is_refusing)


@pytest.mark.parametrize(
    ("values", "slots", "workers", "reason", "limited_by"),
    [
        # Nothing to do.
        ({}, 0, 0, ScalingReason.IDLE, LimitedBy.NOTHING),
        # 8 a second of half a second keep 4 slots busy; at four fifths of their time that is 5.
        ({"arrivals": Flow(480), "service_mean_seconds": 0.5}, 5, 1, ScalingReason.STEADY, LimitedBy.NOTHING),
        # 80 a second need 50.
        ({"arrivals": Flow(4800), "service_mean_seconds": 0.5}, 50, 5, ScalingReason.STEADY, LimitedBy.WORKERS),
        # 6,000 of half a second are 3,000 seconds of work: 50 slots do it in a minute.
        ({"waiting": 6000, "service_mean_seconds": 0.5}, 50, 5, ScalingReason.BACKLOG, LimitedBy.WORKERS),
        # Three jobs of ten minutes need three slots, not thirty.
        ({"waiting": 3, "service_mean_seconds": 600.0}, 3, 1, ScalingReason.BACKLOG, LimitedBy.NOTHING),
        # What runs is not interrupted for a quiet minute.
        ({"running": 18, "service_mean_seconds": 1.0}, 18, 2, ScalingReason.IN_FLIGHT, LimitedBy.NOTHING),
        ({"running": 18}, 18, 2, ScalingReason.IN_FLIGHT, LimitedBy.NOTHING),
        # Nothing is known of the work: twice as many while jobs wait, one worker when there is none.
        ({"running": 20, "waiting": 500}, 40, 4, ScalingReason.UNMEASURED, LimitedBy.WORKERS),
        ({"waiting": 5}, 5, 1, ScalingReason.UNMEASURED, LimitedBy.NOTHING),
        ({"waiting": 500, "workers": 0, "slots": 0}, 10, 1, ScalingReason.UNMEASURED, LimitedBy.WORKERS),
    ],
)
def test_as_many_workers_as_the_work_needs(
    values: dict[str, Any], slots: int, workers: int, reason: ScalingReason, limited_by: LimitedBy
) -> None:
    """By Little's law, with the backlog worked off in a minute."""
    decided = scaling(**values)
    assert (decided.desired_slots, decided.desired_workers) == (slots, workers)
    assert (decided.reason, decided.limited_by) == (reason, limited_by)


@pytest.mark.parametrize(
    ("reason", "limited_by"), [(BlockReason.CONCURRENCY, LimitedBy.LIMIT_KEY), (BlockReason.RATE, LimitedBy.RATE)]
)
def test_workers_are_not_asked_for_what_a_limit_holds(reason: BlockReason, limited_by: LimitedBy) -> None:
    """However much arrives, when all that waits is held back more workers find nothing to do."""
    decided = scaling(running=2, blocked={reason: 4000}, arrivals=Flow(6000), ends=Flow(120), service_mean_seconds=1.0)
    assert (decided.desired_workers, decided.reason, decided.limited_by) == (1, ScalingReason.HELD, limited_by)
    assert decided.counterfactual == "+2 workers: no gain, all 4000 waiting jobs are held by limits of their keys"


def test_a_limit_is_no_veto_for_the_others() -> None:
    """Jobs without the key wait for workers all the same."""
    decided = scaling(waiting=6000, blocked={BlockReason.CONCURRENCY: 4000}, service_mean_seconds=0.5)
    assert (decided.desired_workers, decided.limited_by) == (5, LimitedBy.WORKERS)


def test_a_paused_queue_needs_only_what_runs() -> None:
    """Nothing starts, and nothing is interrupted."""
    decided = scaling(is_paused=True, running=3, waiting=500, blocked={BlockReason.PAUSED: 9}, service_mean_seconds=1.0)
    assert (decided.desired_workers, decided.reason, decided.limited_by) == (1, ScalingReason.HELD, LimitedBy.PAUSED)
    assert "paused" in decided.counterfactual


def test_a_queue_that_refuses_says_so() -> None:
    """What would come is not measured while submissions are refused."""
    assert scaling(is_refusing=True, running=3).limited_by is LimitedBy.ADMISSION


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, "no gain, nothing waits for a worker"),
        ({"waiting": 1}, "not known, nothing has ended in the last minute"),
        # 20 slots do 20 a second, 40 do 40; 10 a second come.
        (
            {"waiting": 300, "service_mean_seconds": 1.0, "arrivals": Flow(600)},
            "what waits is worked off in 10.0 s instead of in 30.0 s",
        ),
        (
            {"waiting": 300, "service_mean_seconds": 1.0, "arrivals": Flow(1500)},
            "what waits is worked off in 20.0 s instead of never",
        ),
    ],
)
def test_two_more_workers_are_told_by_what_they_change(values: dict[str, Any], told: str) -> None:
    """In seconds, or why not at all."""
    assert scaling(**values).counterfactual == f"+2 workers: {told}"
