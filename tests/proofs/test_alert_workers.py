"""Any number of workers are one, only faster: what rules come to does not tell how many judged."""

import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from monitor_world import MonitorWorld, monitor_world
from redis.asyncio import Redis
from round_site import add_monitor

from shared.domain.rule.expressions import parse_expression
from shared.domain.rule.rules import RuleSpec
from shared.domain.target.observation import Blame, Fault, Observation
from shared.storage.rule.rule_store import RuleStore

SECOND = timedelta(seconds=1)
BEGIN = datetime(2026, 6, 1, 11, 0, tzinfo=UTC)
MONITORS, SECONDS, OUTAGE = 8, 110, 20
WELL = Observation(1.0, {"EXISTS": True, "SIZE": 700.0}, {"size_bytes": 700.0})
SMALL = Observation(1.0, {"EXISTS": True, "SIZE": 7.0}, {"size_bytes": 7.0})
GONE = Observation(1.0, {"EXISTS": False}, {}, Fault("missing", "gone"))
OURS = Observation(1.0, fault=Fault("internal", "ours", Blame.OURS))
RULES: dict[str, tuple[str, dict[str, Any]]] = {
    "down": ("state == down", {"flapping": None}),
    "long": ("state == down", {"for": "5s", "keep_firing_for": "7s", "flapping": None}),
    "often": ("count(down, 20s) >= 3", {"flapping": {"fires": 2, "within": "1m", "hold": "10s"}}),
    "small": ("mean(size_bytes, 15s) < 400 recover 600", {"for": "2s"}),
    "poor": ("uptime(30s) < 50%", {"no_data": "firing", "flapping": None}),
}
"""None of absence: what nobody looked at during the outage is noticed when upkeep is back, and no sooner."""
EDITED: tuple[str, dict[str, Any]] = ("count(down, 20s) >= 2", {})
ROWS = """
select a.name, a.monitor_id, e.at, e.kind, e.reason, e.detail, a.rule_version
from alert_events e join alerts a using (alert_id)
where e.kind in ('pend', 'fire', 'clear', 'resolve') order by a.name, a.monitor_id, e.at, e.event_id
"""
MEMORY = """
select r.name, j.monitor_id, j.verdict, j.state, j.since, j.latched, j.fires, j.is_flapping
from judgements j join alert_rules r using (rule_id) order by 1, 2
"""


def plan_of(seed: int) -> Callable[[str, datetime], Observation]:
    """What each target is at each moment: spells of six seconds, drawn from the seed; some are faults of ours."""

    def finds(path: str, moment: datetime) -> Observation:
        spell = random.Random(f"{seed} {path} {(moment - BEGIN) // (6 * SECOND)}")
        return spell.choice((WELL, WELL, SMALL, SMALL, GONE, GONE, OURS))

    return finds


def spec_of(name: str, expression: str, fields: dict[str, Any]) -> RuleSpec:
    return RuleSpec.model_validate({"name": name, "condition": parse_expression(expression), **fields})


async def make_rules(world: MonitorWorld) -> dict[str, UUID]:
    """All of them, under ids that are the same each time."""
    ids = {name: UUID(int=number + 1, version=4) for number, name in enumerate(RULES)}
    async with world.database.transaction() as work:
        store = RuleStore(work)
        await store.lock_all()
        for name, (expression, fields) in RULES.items():
            await store.insert(ids[name], spec_of(name, expression, fields), by="tests")
    return ids


async def lived(database_url: str, redis: Redis, *, workers: int, seed: int) -> tuple[Any, Any]:
    """What rules came to and remember after some minutes with an outage of all workers and an edit in the middle."""
    async with monitor_world(database_url, redis, plan_of(seed), workers=workers, seed=seed) as world:
        await world.turn(BEGIN)
        ids = await make_rules(world)
        for number in range(MONITORS):
            await add_monitor(
                world.database,
                {"kind": "file", "path": f"/{number}", "degraded_conditions": ["[SIZE] > 100"]},
                interval=(2 + number % 3) * SECOND,
                since=BEGIN,
                monitor_id=UUID(int=number + 1, version=4),
            )
        swept = 0
        for turn in (*range(SECONDS // 2), *range(SECONDS // 2 + OUTAGE, SECONDS)):
            if turn == SECONDS // 3:
                async with world.database.transaction() as work:
                    store = RuleStore(work)
                    await store.lock_all()
                    await store.update(ids["often"], spec_of("often", *EDITED), by="tests")
            swept += await world.pass_judging_to(BEGIN + turn * SECOND)
        assert swept > 0
        return await world.rows(ROWS), await world.rows(MEMORY)


@pytest.mark.timeout(300)
async def test_four_workers_judge_what_one_judges(fresh_database_url: str, redis: Redis) -> None:
    """The same transitions of the same rules on the same monitors at the same moments, for the same reasons."""
    one, one_remembers = await lived(fresh_database_url, redis, workers=1, seed=1)
    four, four_remember = await lived(fresh_database_url, redis, workers=4, seed=1)
    assert four == one
    assert four_remember == one_remembers
    kinds = {name: Counter(kind for rule, _, _, kind, *_ in one if rule == name) for name in RULES}
    assert all(found["fire"] and found["resolve"] for found in kinds.values()), kinds
    assert kinds["long"]["clear"]
    assert {version for name, *_, version in one if name == "often"} == {1, 2}
