"""What follows from a worker's silence, and from what is ordered of it."""

from datetime import UTC, datetime

import pytest

from shared.domain.fleet.workers import (
    Liveness,
    Worker,
    WorkerOrder,
    WorkerState,
    beat_interval_seconds,
    is_fenced,
    is_threatening,
    next_state,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def worker(*, beat_age_seconds: float, lease_seconds: float) -> Worker:
    return Worker(
        worker_id="host:1:0a1b2c",
        host="host",
        pid=1,
        version="1",
        queues=(),
        slots=1,
        busy=0,
        loop_lag_ms=0,
        rss_bytes=1,
        lease_seconds=lease_seconds,
        started_at=NOW,
        beat_at=NOW,
        state=WorkerState.RUNNING,
        ordered=None,
        beat_age_seconds=beat_age_seconds,
    )


@pytest.mark.parametrize(("lease_seconds", "interval"), [(2, 2 / 3), (30, 10), (600, 10)])
def test_a_worker_beats_three_times_a_lease_and_every_ten_seconds_at_least(
    lease_seconds: float, interval: float
) -> None:
    """A long lease does not make cancels and orders wait longer."""
    assert beat_interval_seconds(lease_seconds) == pytest.approx(interval)


@pytest.mark.parametrize("lease_seconds", [2, 30, 600])
def test_a_worker_gives_up_before_anybody_else_may_take_its_jobs(lease_seconds: float) -> None:
    """Two heartbeats in a row may fail, five sixths of a lease may pass, the whole of it may not."""
    beats = 2 * lease_seconds / 3
    assert not is_fenced(beats, lease_seconds=lease_seconds)
    assert is_fenced(lease_seconds * 0.84, lease_seconds=lease_seconds)


@pytest.mark.parametrize(
    ("age", "liveness"), [(0, Liveness.ALIVE), (29.9, Liveness.ALIVE), (30.1, Liveness.SILENT), (9e5, Liveness.SILENT)]
)
def test_a_worker_is_silent_once_its_leases_have_run_out(age: float, liveness: Liveness) -> None:
    """Its own lease says how long that takes."""
    assert worker(beat_age_seconds=age, lease_seconds=30).liveness is liveness


def test_a_standstill_that_costs_a_heartbeat_is_worth_a_word() -> None:
    """A shorter one is only counted."""
    assert is_threatening(10, lease_seconds=30)
    assert not is_threatening(9.9, lease_seconds=30)


@pytest.mark.parametrize(
    ("current", "order", "following"),
    [
        (WorkerState.RUNNING, None, WorkerState.RUNNING),
        (WorkerState.RUNNING, WorkerOrder.QUIET, WorkerState.QUIET),
        (WorkerState.QUIET, WorkerOrder.QUIET, WorkerState.QUIET),
        (WorkerState.QUIET, None, WorkerState.RUNNING),
        (WorkerState.STOPPING, WorkerOrder.QUIET, WorkerState.STOPPING),
        (WorkerState.STOPPING, None, WorkerState.STOPPING),
    ],
)
def test_what_stops_is_not_ordered_back(
    current: WorkerState, order: WorkerOrder | None, following: WorkerState
) -> None:
    """Quiet and resume go back and forth; stopping ends in the end only."""
    assert next_state(current, order) is following
