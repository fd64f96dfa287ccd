"""Schedules across nights of summer time and clocks that are set: on a real database whose clock is turned."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest
from monitor_world import MonitorWorld, monitor_world
from redis.asyncio import Redis
from round_site import add_monitor

from chaos.slot_records import read_watched
from chaos.slots import SlotReckoning, reckon_slots
from shared.domain.monitor.schedules import Schedule
from shared.domain.target.observation import Observation

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
BERLIN = "Europe/Berlin"
SPRING = datetime(2027, 3, 27, 23, 30, tzinfo=UTC)
"""In the night in which Berlin goes from 02:00 to 03:00, at 01:00 UTC."""
AUTUMN = datetime(2027, 10, 30, 23, 30, tzinfo=UTC)
"""In the night in which Berlin goes from 03:00 to 02:00, at 01:00 UTC."""


def always_well(_path: str, _moment: datetime) -> Observation:
    return Observation(1.0, {"EXISTS": True})


async def add_cron(world: MonitorWorld, cron: str, begin: datetime) -> UUID:
    """A monitor by a cron expression in Berlin."""
    monitor_id = await add_monitor(world.database, {"kind": "file", "path": "/a"}, since=begin)
    async with world.database.transaction() as work:
        await work.run(
            "update monitors set interval_ms = null, cron = $2, timezone = $3 where monitor_id = $1",
            monitor_id,
            cron,
            BERLIN,
        )
        await work.run(
            "update schedules set next_slot = $2, due_at = $2 where monitor_id = $1",
            monitor_id,
            Schedule(cron=cron, timezone=BERLIN).next_after(begin),
        )
    return monitor_id


async def run_from(world: MonitorWorld, begin: datetime, *, turns: int, every: timedelta) -> datetime:
    """Let the workers do what is due, again and again; the moment of the last time."""
    for turn in range(turns):
        await world.pass_to(begin + turn * every)
    return world.now


async def reckoned(database_url: str, *, until: datetime) -> SlotReckoning:
    """What the auditor finds."""
    connection = await asyncpg.connect(database_url, timeout=10)
    try:
        watched = await read_watched(connection)
    finally:
        await connection.close()
    return reckon_slots(watched, until=int(until.timestamp() * 1000))


@pytest.mark.parametrize(
    ("begin", "cron", "expected"),
    [
        (SPRING, "30 2 * * *", ["28 01:00"]),
        (SPRING, "0 * * * *", [f"28 {hour:02}:00" for hour in range(5)]),
        (AUTUMN, "30 2 * * *", ["31 00:30"]),
        (AUTUMN, "0 * * * *", [f"31 {hour:02}:00" for hour in range(5)]),
    ],
    ids=["left out", "each hour in spring", "comes twice", "each hour in autumn"],
)
async def test_a_night_of_summer_time(
    fresh_database_url: str, redis: Redis, begin: datetime, cron: str, expected: list[str]
) -> None:
    """An hour that is left out is run when it is over, one that comes twice is run once, and each hour for itself."""
    async with monitor_world(fresh_database_url, redis, always_well, workers=2) as world:
        await add_cron(world, cron, begin)
        await run_from(world, begin + SECOND / 2, turns=30, every=10 * MINUTE)
        sampled = await world.site.sampled()
        assert [f"{slot:%d %H:%M}" for _, slot in sorted(sampled)] == expected
        assert set(sampled.values()) == {1}
        assert await world.site.gaps() == []


async def test_nights_of_summer_time_that_nobody_saw(fresh_database_url: str, redis: Redis) -> None:
    """Of half a year without a worker each missed slot is counted: one a day, and each hour there was."""
    async with monitor_world(fresh_database_url, redis, always_well) as world:
        daily, hourly = await add_cron(world, "30 2 * * *", SPRING), await add_cron(world, "0 * * * *", SPRING)
        # So many slots are counted in several turns.
        await run_from(world, AUTUMN + 6 * HOUR, turns=8, every=SECOND)
        missed = dict(await world.rows("select monitor_id, sum(slots)::int from slot_gaps group by 1"))
        run = Counter(monitor_id for monitor_id, _ in await world.site.sampled())
        days, hours = (AUTUMN - SPRING).days + 1, (AUTUMN + 6 * HOUR - SPRING) // HOUR
        assert {key: missed[key] + run[key] for key in missed} == {daily: days, hourly: hours}
        assert run == {daily: 1, hourly: 1}


async def test_a_clock_that_is_set_forward_leaves_a_gap(fresh_database_url: str, redis: Redis) -> None:
    """Of exactly the slots that were left out; what was known ends where they begin."""
    async with monitor_world(fresh_database_url, redis, always_well, workers=3) as world:
        for _ in range(5):
            await add_monitor(world.database, {"kind": "file", "path": "/a"}, interval=10 * SECOND, since=NOON)
        before = await run_from(world, NOON + SECOND, turns=30, every=SECOND)
        after = await run_from(world, before + HOUR, turns=30, every=SECOND)
        reckoning = await reckoned(fresh_database_url, until=after - SECOND)
        assert reckoning.is_clean, [reckoning.line(), *reckoning.faults]
        assert 5 * 358 < reckoning.missed["late"] <= 5 * 360
        states = {
            monitor_id: [state.value for _, state, _ in told] for monitor_id, told in (await world.spans()).items()
        }
        assert set(map(tuple, states.values())) == {("pending", "up", "no_data", "up")}


async def test_a_clock_that_is_set_back_collects_no_slot_twice(fresh_database_url: str, redis: Redis) -> None:
    """Schedules are anchored anew; until the time there was is reached again, nothing is written or judged anew."""
    async with monitor_world(fresh_database_url, redis, always_well, workers=3) as world:
        for _ in range(5):
            await add_monitor(world.database, {"kind": "file", "path": "/a"}, interval=2 * SECOND, since=NOON)
        await run_from(world, NOON + SECOND, turns=40, every=SECOND)
        samples, spans = await world.site.sampled(), await world.spans()
        await world.turn(NOON + 15 * SECOND)
        await world.anchor()
        await run_from(world, NOON + 15 * SECOND, turns=20, every=SECOND)
        assert (await world.site.sampled(), await world.spans()) == (samples, spans)
        after = await run_from(world, NOON + 35 * SECOND, turns=30, every=SECOND)
        reckoning = await reckoned(fresh_database_url, until=after - SECOND)
        assert reckoning.is_clean, [reckoning.line(), *reckoning.faults]
        assert reckoning.run == reckoning.slots > len(samples)
