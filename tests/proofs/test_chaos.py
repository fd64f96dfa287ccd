"""The chaos run in small: every kind of blow falls at least once, and no job or slot is lost or doubled."""

import pytest

from chaos.havoc import Load, wreak_havoc
from chaos.plan import Blow

JOBS = 1_500
RATE = 90
MONITORS = 40
STALL_SECONDS = 4.0


@pytest.mark.timeout(300)
async def test_a_fleet_under_blows_loses_and_doubles_nothing() -> None:
    """Workers and the API are killed, stopped and replaced, both servers wiped and restarted; the world counts."""
    load = Load(JOBS, RATE, MONITORS)
    run = await wreak_havoc(load, seed=1, seconds=240, stall_seconds=STALL_SECONDS)
    reckoning = run.reckoning
    assert (reckoning.lost, reckoning.doubled, run.forged, run.is_late) == ({}, {}, 0, False), reckoning.line(
        run.seconds
    )
    assert reckoning.jobs == JOBS
    # A run in which nothing happened, or nobody had to try again, would have proved nothing.
    assert set(run.blows) == set(Blow)
    assert reckoning.visits >= reckoning.jobs
    assert run.repeats > 0
    assert reckoning.outcomes["lost"] + reckoning.outcomes["fenced"] > 0
    # Each slot of the monitors was collected once or is told as missed; no target was ever blamed.
    assert run.slots.is_clean, (run.slots.line(), *run.slots.faults)
    assert run.slots.slots == run.slots.run + run.slots.missed.total()
    assert run.slots.run > MONITORS
    assert run.slots.missed.total() > 0
