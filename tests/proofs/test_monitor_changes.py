"""Monitors that are made, changed, paused and deleted while workers look at them: nothing fails or is left over."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from monitor_world import MonitorWorld, monitor_world
from quiet_alerting import quiet_alerting
from redis.asyncio import Redis
from structlog.testing import capture_logs
from uuid_utils.compat import uuid7

from chaos.slot_records import read_watched
from chaos.slots import reckon_slots
from shared.domain.change_results import Deleted, Done, Made, UnknownId
from shared.domain.monitor.monitor_changes import (
    CreateMonitor,
    DeleteMonitor,
    MonitorChange,
    MonitorResult,
    NamedTwice,
    PatchMonitor,
    PauseMonitor,
)
from shared.domain.monitor.monitors import MonitorSpec
from shared.domain.target.observation import Blame, Fault, Observation
from shared.services.monitor.monitors import Monitors
from shared.vault import Vault

SECOND = timedelta(seconds=1)
BEGIN = datetime(2026, 6, 1, 23, 59, 0, 100, tzinfo=UTC)
"""Between two milliseconds, where no slot is: a look takes no time here, and a pause would else share its moment."""
TURNS, AT_FIRST, MOST = 90, 12, 30
WELL, GONE = Observation(1.0, {"EXISTS": True}), Observation(1.0, {"EXISTS": False}, {}, Fault("missing", "gone"))
OURS = Observation(1.0, fault=Fault("internal", "ours", Blame.OURS))

ORPHANS = """
select 'state' from monitor_states s full join monitors m using (monitor_id) where m is null or s is null
union all select 'schedule' from schedules s full join monitors m using (monitor_id) where m is null or s is null
union all select 'span' from state_spans left join monitors m using (monitor_id) where m is null
union all select 'gap' from slot_gaps left join monitors m using (monitor_id) where m is null
"""
INCONSISTENT = """
select m.monitor_id, m.paused_at, s.state, c.due_at, c.next_slot, c.confirm_at
from monitors m join monitor_states s using (monitor_id) join schedules c using (monitor_id)
where (m.paused_at is not null) <> (s.state = 5) or (m.paused_at is not null) <> (c.due_at is null)
   or c.due_at is distinct from least(c.next_slot, c.confirm_at) or (c.next_slot is null) <> (c.due_at is null)
   or (s.state = 5 and (s.failing > 0 or c.confirm_at is not null))
"""


def spells(path: str, moment: datetime) -> Observation:
    """What a target is at a moment."""
    spell = random.Random(f"{path} {(moment - BEGIN) // (5 * SECOND)}")
    return spell.choice((WELL, WELL, GONE, GONE, OURS))


class Walk:
    """People who change monitors all the while."""

    def __init__(self, world: MonitorWorld, seed: int) -> None:
        self.random = random.Random(seed)
        self.monitors = Monitors(world.database, Vault(), quiet_alerting(), tell=lambda _: None)
        self.ids: list[UUID] = []
        self.results: list[MonitorResult] = []

    async def make(self, count: int) -> None:
        """Make some; their intervals stay, so that the auditor knows their slots."""
        await self._change([CreateMonitor(uuid7(), self._spec()) for _ in range(count)])

    async def change(self) -> None:
        """Do one thing, or some at once."""
        changes = [self._drawn() for _ in range(self.random.choice((1, 1, 1, 4)))] if self.ids else []
        if len(self.ids) < MOST:
            changes.append(CreateMonitor(uuid7(), self._spec()))
        await self._change(changes)

    async def _change(self, changes: list[MonitorChange]) -> None:
        results = await self.monitors.change(changes, by="tests")
        self.results += results
        gone = {result.item_id for result in results if isinstance(result, Deleted)}
        made = [result.item_id for result in results if isinstance(result, Made)]
        self.ids = [each for each in self.ids if each not in gone] + made

    def _drawn(self) -> MonitorChange:
        monitor_id = self.random.choice(self.ids)
        match self.random.randrange(8):
            case 0:
                return DeleteMonitor(monitor_id)
            case 1 | 2:
                return PauseMonitor(monitor_id, is_paused=True)
            case 3 | 4 | 5:
                return PauseMonitor(monitor_id, is_paused=False)
            case _:
                return PatchMonitor(monitor_id, self._patch())

    def _patch(self) -> dict[str, Any]:
        return self.random.choice(
            (
                {"target": {"kind": "file", "path": f"/{self.random.randrange(9)}"}},
                {"confirmations": self.random.randrange(3)},
                {"labels": {"team": f"{self.random.randrange(9)}"}},
                {"name": f"renamed {self.random.getrandbits(60)}"},
            )
        )

    def _spec(self) -> MonitorSpec:
        target = {"kind": "file", "path": f"/{self.random.randrange(9)}"}
        fields = {"interval": f"{self.random.randrange(1, 4)}s", "confirmations": self.random.randrange(3)}
        name = f"monitor {self.random.getrandbits(60)}"
        return MonitorSpec.model_validate(
            {"name": name, "target": target, "confirm_interval": "1s"} | fields, strict=False
        )


@pytest.mark.parametrize("seed", [1, 2])
async def test_monitors_are_changed_while_they_are_looked_at(fresh_database_url: str, redis: Redis, seed: int) -> None:
    """No error is logged; no row is left over; states, pauses and schedules agree; each slot is accounted for once."""
    async with monitor_world(fresh_database_url, redis, spells, workers=3, seed=seed) as world:
        walk = Walk(world, seed)
        with capture_logs() as lines:
            await world.turn(BEGIN)
            await walk.make(AT_FIRST)
            for turn in range(1, TURNS):
                await asyncio.gather(world.pass_to(BEGIN + turn * SECOND), walk.change(), walk.change())
            # What is paused to the end has its gap once it goes on.
            await walk.monitors.change([PauseMonitor(each, is_paused=False) for each in walk.ids], by="tests")
            for turn in range(TURNS, TURNS + 5):
                await world.pass_to(BEGIN + turn * SECOND)
        assert [line for line in lines if line["log_level"] in {"error", "critical"}] == []
        assert {type(each) for each in walk.results if not isinstance(each, Done)} <= {UnknownId, NamedTwice}
        assert await world.rows(ORPHANS) == []
        assert await world.rows(INCONSISTENT) == []
        connection = await asyncpg.connect(fresh_database_url, timeout=10)
        try:
            watched = await read_watched(connection)
        finally:
            await connection.close()
    reckoning = reckon_slots(watched, until=int((world.now - SECOND).timestamp() * 1000))
    faults = [fault for fault in reckoning.faults if fault[0] != "false down"]
    assert faults == [], reckoning.line()
    # A walk in which nothing was paused, deleted, run or found down would have proved nothing.
    assert len(walk.ids) < len([result for result in walk.results if isinstance(result, Made)])
    assert reckoning.missed["paused"] > 0
    assert reckoning.run > TURNS
    assert reckoning.false_downs
