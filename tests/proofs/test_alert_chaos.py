"""The chaos run of alerts in small: every kind of blow falls, receivers fail, and nobody is left untold."""

import pytest

from chaos.havoc import Load, wreak_havoc
from chaos.plan import Blow

ALERTS = 40


@pytest.mark.timeout(400)
async def test_a_fleet_under_blows_loses_no_firing_and_no_resolve() -> None:
    """What receivers heard agrees with ledger and timelines; a repeat said the same under the same id."""
    run = await wreak_havoc(Load(jobs=400, rate=20, alerts=ALERTS), seed=3, seconds=200, stall_seconds=4)
    assert run.alerts is not None
    assert run.alerts.is_clean, (run.alerts.line(), *run.alerts.faults)
    assert (run.forged, run.is_late) == (0, False)
    # A run in which nothing happened would have proved nothing.
    assert set(run.blows) == set(Blow)
    assert run.alerts.fired >= ALERTS // 2
    assert run.alerts.notices > 0
