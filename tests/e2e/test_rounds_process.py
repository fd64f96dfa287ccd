"""Monitors looked at by worker processes as they are, which schedule, look and record while one of them is killed."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from job_bench import Bench
from redis.asyncio import Redis
from round_site import RoundSite, add_monitor
from worker_site import PATIENCE_SECONDS, open_site, worker_process

from shared.domain.monitor.rounds import decode_round
from shared.domain.monitor.schedules import Schedule, phase_of
from shared.storage.database import Database, create_engine

SECOND = timedelta(seconds=1)


@pytest.fixture
async def bench(fresh_database_url: str, redis: Redis) -> AsyncIterator[Bench]:
    """The services over a database of the test's own, which other processes use too."""
    database = Database(create_engine(fresh_database_url, pool_size=4, name="test"))
    bench = Bench(database, redis)
    yield bench
    await bench.events.drain()
    await database.close()


async def accounted(site: RoundSite, monitor_id: UUID) -> list[datetime]:
    """Each slot that has a sample, and each that is told as missed; one of both would be there twice."""
    samples = [slot for (each, slot), _ in (await site.sampled()).items() if each == monitor_id]
    schedule = Schedule(interval=SECOND, phase=phase_of(monitor_id, SECOND))
    gaps = await site.rows("select first_slot, last_slot from slot_gaps where monitor_id = $1", monitor_id)
    return sorted([*samples, *(slot for first, last in gaps for slot in schedule.slots(first, last))])


async def until_sampled(site: RoundSite, monitor_ids: list[UUID], *, after: datetime) -> None:
    """Wait until each monitor has a sample of a slot after a moment."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            sampled = await site.sampled()
            if all(any(each == key and slot > after for key, slot in sampled) for each in monitor_ids):
                return
            await asyncio.sleep(0.1)


async def test_each_slot_is_accounted_for_when_a_worker_is_killed(
    bench: Bench, fresh_database_url: str, redis_url: str
) -> None:
    """Kill -9 in the middle of looks: every slot has one sample or one reason, and the other worker goes on."""
    site = RoundSite(bench, {})
    async with open_site() as web:
        target = {"kind": "http", "url": f"http://127.0.0.1:{web.port}/", "timeout": "30s"}
        ids = [await add_monitor(bench.database, target, interval=SECOND) for _ in range(10)]
        async with worker_process(fresh_database_url, redis_url) as first:
            await web.visit()
            first.kill()
        web.gate.set()
        killed_at: datetime = (await site.rows("select clock_timestamp()"))[0][0]
        async with worker_process(fresh_database_url, redis_url):
            await until_sampled(site, ids, after=killed_at + 5 * SECOND)
        for each in ids:
            slots = await accounted(site, each)
            last = max(slot for (key, slot) in await site.sampled() if key == each)
            expected = [slots[0]]
            while expected[-1] < last:
                expected.append(expected[-1] + SECOND)
            missing = {slot for slot in expected if slot not in slots}
            assert len(slots) == len(set(slots))
            assert missing <= await in_hand(site, each)


async def in_hand(site: RoundSite, monitor_id: UUID) -> set[datetime]:
    """The slots of rounds that have not ended, or whose end is not told yet: their worker was just stopped."""
    rows = await site.rows(
        "select spec::text from jobs where state <> 'succeeded' and settled_at is null and kind = 'round'"
    )
    return {visit.slot for row in rows for visit in decode_round(row[0]) if visit.monitor_id == monitor_id}
