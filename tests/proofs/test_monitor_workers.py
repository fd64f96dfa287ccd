"""Any number of workers are one, only faster: what monitors come to does not tell how many there were."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from monitor_world import monitor_world
from redis.asyncio import Redis
from round_site import add_monitor

from shared.domain.monitor.standing import MonitorState
from shared.domain.target.observation import Blame, Fault, Observation

SECOND = timedelta(seconds=1)
BEGIN = datetime(2026, 6, 1, 23, 59, tzinfo=UTC)
"""Midnight, with another partition of samples, comes in the middle."""
MONITORS, SECONDS = 8, 130
WELL, SLOW = Observation(1.0, {"EXISTS": True, "SIZE": 700.0}), Observation(1.0, {"EXISTS": True, "SIZE": 7.0})
GONE = Observation(1.0, {"EXISTS": False}, {}, Fault("missing", "gone"))
OURS = Observation(1.0, fault=Fault("internal", "ours", Blame.OURS))
ROWS = {
    "samples": "select m.monitor_id, ts, outcome from sample join monitors m using (series_id) order by 1, 2",
    "notes": "select m.monitor_id, ts, code from sample_note join monitors m using (series_id) order by 1, 2",
    "states": "select monitor_id, state, since, covered_until, last_at, failing, beats from monitor_states order by 1",
    "gaps": "select monitor_id, first_slot, last_slot, slots, reason from slot_gaps order by 1, 2",
    "spans": "select monitor_id, started_at, state, code from state_spans order by 1, 2",
}


def plan_of(seed: int) -> Callable[[str, datetime], Observation]:
    """What each target is at each moment: spells of seven seconds, drawn from the seed; some are faults of ours."""

    def finds(path: str, moment: datetime) -> Observation:
        spell = random.Random(f"{seed} {path} {(moment - BEGIN) // (7 * SECOND)}")
        return spell.choice((WELL, WELL, WELL, SLOW, GONE, GONE, OURS))

    return finds


async def lived(database_url: str, redis: Redis, *, workers: int, seed: int) -> dict[str, list[tuple[Any, ...]]]:
    """All that is stored of monitors after some minutes, with a pause of all workers in the middle."""
    async with monitor_world(database_url, redis, plan_of(seed), workers=workers, seed=seed) as world:
        for number in range(MONITORS):
            target = {"kind": "file", "path": f"/{number}", "degraded_conditions": ["[SIZE] > 100"]}
            await add_monitor(
                world.database,
                target,
                interval=(2 + number) * SECOND,
                confirmations=number % 3,
                confirm_interval=2 * SECOND,
                since=BEGIN,
                monitor_id=UUID(int=number + 1, version=4),
            )
        for turn in (*range(SECONDS // 2), *range(SECONDS // 2 + 20, SECONDS)):
            await world.pass_to(BEGIN + turn * SECOND)
        return {name: await world.rows(query) for name, query in ROWS.items()}


@pytest.mark.timeout(240)
async def test_four_workers_come_to_what_one_comes_to(fresh_database_url: str, redis: Redis) -> None:
    """Samples, notes, states, timelines and gaps are equal to the last value, confirmations and an outage included."""
    one = await lived(fresh_database_url, redis, workers=1, seed=1)
    four = await lived(fresh_database_url, redis, workers=4, seed=1)
    for name in ROWS:
        assert four[name] == one[name], name
    states = {row[2] for row in one["spans"]}
    assert states == {state.code for state in MonitorState} - {MonitorState.PAUSED.code, MonitorState.MAINTENANCE.code}
    assert {row[4] for row in one["gaps"]} == {"late"}
