"""What is known of a monitor ends when its looks stay away."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest
from job_bench import Bench
from quiet_alerting import quiet_alerting
from round_site import RoundSite, add_monitor, slot_now

from shared.domain.live import StateTold
from shared.domain.monitor.standing import MonitorState
from shared.services.monitor.silence import Silence

MINUTE = timedelta(minutes=1)
FILE = {"kind": "file", "path": "/a"}


async def know(bench: Bench, monitor_id: UUID, *, until: datetime, state: MonitorState = MonitorState.UP) -> None:
    """Let a monitor have been found so, as far as up to a moment."""
    async with bench.database.transaction() as work:
        await work.run(
            "update monitor_states set state = $2, since = $3, covered_until = $4, last_at = $3 where monitor_id = $1",
            monitor_id,
            state.code,
            until - MINUTE,
            until,
        )


async def test_a_monitor_without_looks_knows_nothing_any_more(bench: Bench) -> None:
    """From the moment that its last look covered, not from when that was noticed; told once."""
    site = RoundSite(bench, {})
    silent, fresh, paused = [await add_monitor(bench.database, FILE, since=slot_now(-999)) for _ in range(3)]
    until = slot_now(-121)
    await know(bench, silent, until=until)
    await know(bench, fresh, until=slot_now(-115))
    await know(bench, paused, until=until, state=MonitorState.PAUSED)
    silence = Silence(bench.database, site.hear, quiet_alerting())
    assert [await silence.settle(), await silence.settle()] == [1, 0]
    assert [await site.state(each) for each in (silent, fresh, paused)] == ["no_data", "up", "paused"]
    assert site.told == [StateTold(silent, until, MonitorState.NO_DATA, "missed")]
    spans = await site.rows("select started_at, state, code from state_spans order by started_at desc limit 1")
    assert spans == [(until, MonitorState.NO_DATA.code, "missed")]


async def test_more_monitors_than_a_batch_fall_silent_at_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them is found in one run."""
    monkeypatch.setattr("shared.services.monitor.silence.BATCH", 2)
    monkeypatch.setattr("shared.services.monitor.silence.LISTED", 3)
    for _ in range(5):
        await know(bench, await add_monitor(bench.database, FILE), until=slot_now(-121))
    assert await Silence(bench.database, RoundSite(bench, {}).hear, quiet_alerting()).settle() == 5


@pytest.mark.parametrize(
    ("schedule", "seconds"), [("interval_ms = 300000", 600), ("interval_ms = null, cron = '*/15 * * * *'", 60)]
)
async def test_how_long_a_look_is_waited_for(bench: Bench, schedule: str, seconds: int) -> None:
    """Two intervals; a minute after its slot with a cron expression."""
    for late in (seconds + 20, seconds - 20):
        await know(bench, await add_monitor(bench.database, FILE), until=slot_now(-late))
    async with bench.database.transaction() as work:
        await work.run(f"update monitors set {schedule}")
    assert await Silence(bench.database, RoundSite(bench, {}).hear, quiet_alerting()).settle() == 1
