"""A drill leaves nothing behind, however it ends."""

import asyncio

from job_bench import Bench
from redis.asyncio import Redis

from shared.clock import utc_now
from shared.services.fleet.drill import Drill


def drill_of(bench: Bench) -> Drill:
    return Drill(bench.database, bench.redis, repair=bench.repair, recovery=bench.recovery, clock=utc_now)


async def count_jobs(bench: Bench) -> int:
    async with bench.database.transaction() as work:
        return int((await work.fetch("select count(*) as jobs from jobs"))[0].jobs)


async def test_an_interrupted_drill_is_removed(bench: Bench, redis: Redis) -> None:
    """Ctrl-C in the middle: its rows and its keys are gone all the same."""
    drill = drill_of(bench)
    running = asyncio.create_task(drill.run(with_own_upkeep=False))
    async with asyncio.timeout(10):
        while await count_jobs(bench) < 42:
            assert not running.done()
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()
    assert await count_jobs(bench) == 0
    assert await redis.keys("*drill*") == []


async def test_a_killed_drill_ends_by_itself(bench: Bench, redis: Redis) -> None:
    """What it could not remove has a deadline in the database and a time to live in Redis."""
    drill = drill_of(bench)
    running = asyncio.create_task(drill.run(with_own_upkeep=False))
    async with asyncio.timeout(10):
        while await count_jobs(bench) < 42:
            assert not running.done()
    async with bench.database.transaction() as work:
        rows = await work.fetch("select count(*) as jobs from jobs where expires_at < now() + interval '11 minutes'")
    assert (rows[0].jobs, 0 < await redis.ttl(drill.queue) <= 600) == (42, True)
    running.cancel()
    await asyncio.wait([running])


async def test_no_worker_of_the_installation_takes_a_job_of_the_drill(bench: Bench, redis: Redis) -> None:
    """Its rings stand in a queue of its own; those that are served stay as they are."""
    waiting = await bench.submitted()
    results = await drill_of(bench).run(with_own_upkeep=True)
    assert all(result.has_held for result in results)
    assert await bench.rung() == {f"{waiting.job_id}:1"}
    assert await redis.keys("tocsin:drill:*") == []
