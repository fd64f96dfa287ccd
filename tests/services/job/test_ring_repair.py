"""Every queued job has its ring, whatever Redis forgets, and Redis has no others; no repair is done twice."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from job_bench import Bench, new_job, ring_of
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from shared.clock import utc_now
from shared.coordination.epoch import EPOCH_KEY, read_epoch
from shared.domain.job.dispatch import RepairReason
from shared.domain.job.jobs import Job
from shared.services.job import ring_repair
from shared.services.job.ring_repair import RingRepair
from shared.storage.job.job_store import JobStore
from shared.task_queue import TaskQueue

NOW = timedelta(0)
QUEUE = "tocsin:notify"


async def unrung(bench: Bench, *, jobs: int = 1) -> set[str]:
    """Insert jobs as a process does that dies right after its commit; the rings they wait for."""
    new = [new_job() for _ in range(jobs)]
    async with bench.database.transaction() as work:
        await JobStore(work).insert(new, now=utc_now())
    return {f"{job.job_id}:1" for job in new}


async def rung(bench: Bench) -> Job:
    """Submit a job, whose ring is then known to have come."""
    job = await bench.submitted()
    await bench.doorbell.drain()
    await bench.repair.relay(older_than=NOW)
    return job


async def test_a_job_that_was_never_rung_is_relayed(bench: Bench) -> None:
    """A crash between commit and ring costs a second, not the job."""
    ring_ids = await unrung(bench)
    assert await bench.rung() == set()
    assert await bench.repair.relay(older_than=NOW) == 1
    assert await bench.rung() == ring_ids
    assert bench.repaired == {RepairReason.UNRUNG: 1}


async def test_relaying_is_done_once(bench: Bench) -> None:
    """Workers that relay at the same time share the jobs; none is rung for twice."""
    ring_ids = await unrung(bench, jobs=20)
    moved = await asyncio.gather(*(bench.repair.relay(older_than=NOW) for _ in range(4)))
    assert sum(moved) == 20
    assert await bench.rung() == ring_ids
    assert await bench.repair.relay(older_than=NOW) == 0


async def test_a_fresh_job_is_left_to_its_own_ring(bench: Bench) -> None:
    """The relay does not race the ring that follows a commit."""
    await unrung(bench)
    assert await bench.repair.relay() == 0


async def test_a_ring_that_came_is_no_repair(bench: Bench) -> None:
    """What only waits for its turn is not counted as mended."""
    await rung(bench)
    assert bench.repaired == {}


async def test_a_ring_that_does_not_get_through_is_tried_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis goes away between the mark and the ring: the mark is taken back, the next run rings."""
    ring_ids = await unrung(bench)

    async def away(self: TaskQueue, rings: object) -> int:
        raise RedisConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(TaskQueue, "ring", away)
        with pytest.raises(RedisConnectionError):
            await bench.repair.relay(older_than=NOW)
    await bench.repair.relay(older_than=NOW)
    assert await bench.rung() == ring_ids


async def test_a_wiped_redis_is_noticed_and_everything_rings_again(bench: Bench) -> None:
    """Without waiting for any age: all that was rung before the wipe was noticed is rung again, once."""
    waiting = {f"{(await rung(bench)).job_id}:1" for _ in range(5)}
    await bench.redis.flushall()
    moved = await asyncio.gather(*(bench.repair.relay() for _ in range(4)))
    assert sum(moved) == 5
    assert await bench.rung() == waiting
    assert bench.repaired == {RepairReason.EPOCH: 5}
    assert await bench.repair.relay() == 0


async def test_a_backlog_rings_again_batch_by_batch(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each run says that there is more, so that the next follows without a pause."""
    monkeypatch.setattr(ring_repair, "BATCH", 10)
    ring_ids = await unrung(bench, jobs=25)
    moved = [await bench.repair.relay(older_than=NOW) for _ in range(3)]
    await bench.redis.flushall()
    assert moved == [10, 10, 5]
    assert [await bench.repair.relay() for _ in range(4)] == [10, 10, 5, 0]
    assert await bench.rung() == ring_ids


async def test_a_held_row_stops_no_repair(bench: Bench) -> None:
    """A job whose row another transaction holds is passed over, and mended once it is free."""
    held, free = await rung(bench), await rung(bench)
    await bench.redis.flushall()
    async with bench.database.transaction() as work:
        await work.run("select 1 from jobs where job_id = $1 for update", held.job_id)
        async with asyncio.timeout(10):
            assert await bench.repair.relay() == 1
        assert await bench.rung() == {f"{free.job_id}:1"}
    assert await bench.repair.relay() == 1


async def test_one_life_of_redis_is_one_epoch(redis: Redis) -> None:
    """The same until the key is gone, as after a wipe."""
    first = await read_epoch(redis)
    assert await read_epoch(redis) == first
    await redis.delete(EPOCH_KEY)
    assert await read_epoch(redis) != first


async def test_without_the_right_to_info_the_key_alone_is_the_epoch(redis: Redis, redis_url: str) -> None:
    """An ACL that forbids INFO leaves wipes noticed."""
    name = f"u{uuid4().hex}"
    await redis.execute_command("ACL", "SETUSER", name, "on", "nopass", "~*", "+@all", "-info")
    client = Redis.from_url(redis_url, username=name, password="any", socket_timeout=10)
    try:
        assert (await read_epoch(client)).startswith(":")
        assert (await read_epoch(client)) == await read_epoch(client)
    finally:
        await client.aclose()
        await redis.execute_command("ACL", "DELUSER", name)


async def test_another_server_is_another_epoch(bench: Bench) -> None:
    """A replica that took over has the key but not the run id, and may lack the last rings."""
    job = await rung(bench)
    async with bench.database.transaction() as work:
        await work.run("update broker_epochs set epoch = 'another' || epoch")
    taken_over = RingRepair(bench.database, bench.redis, bench.task_queue)
    assert await taken_over.relay() == 1
    assert await bench.rung() == {f"{job.job_id}:1"}


async def test_a_single_lost_ring_is_found(bench: Bench) -> None:
    """Of the rings only the lost one is rung again, whichever of several workers finds it."""
    lost, known = await rung(bench), await rung(bench)
    await bench.redis.zrem(QUEUE, f"{lost.job_id}:1")
    assert await bench.repair.reconcile() == 0
    others = [RingRepair(bench.database, bench.redis, bench.task_queue) for _ in range(3)]
    found = await asyncio.gather(*(repair.reconcile(older_than=NOW) for repair in [bench.repair, *others]))
    assert sum(found) == 1
    assert await bench.rung() == {f"{lost.job_id}:1", f"{known.job_id}:1"}


async def test_a_backlog_is_walked_to_its_end(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run looks at so many pages, the next goes on behind them; rings marked in one batch share their time."""
    monkeypatch.setattr(ring_repair, "PAGE", 10)
    monkeypatch.setattr(ring_repair, "MAX_PAGES", 2)
    ring_ids = await unrung(bench, jobs=55)
    await bench.repair.relay(older_than=NOW)
    last = max(ring_ids)
    await bench.redis.zrem(QUEUE, last)
    async with asyncio.timeout(10):
        runs = [await bench.repair.reconcile(older_than=NOW) for _ in range(3)]
    assert runs == [0, 0, 1]
    assert await bench.rung() == ring_ids


async def test_stale_rings_are_swept(bench: Bench) -> None:
    """Rings of jobs that ended, were dispatched anew, or nobody knows are taken out, their payloads too."""
    ended, anew, waiting = [await bench.submitted() for _ in range(3)]
    await bench.doorbell.drain()
    async with bench.database.transaction() as work:
        await JobStore(work).cancel_if_live(ended.job_id)
        await work.run("update jobs set dispatch_no = 2 where job_id = $1", anew.job_id)
    await bench.task_queue.ring([ring_of(anew, 2)])
    await bench.redis.zadd(QUEUE, {f"{uuid4()}:1": 1, f"{waiting.job_id}:99999999999": 1, "what is this": 1})
    swept = await asyncio.gather(*(bench.repair.sweep() for _ in range(4)))
    assert sum(swept) == 5
    assert await bench.rung() == {f"{anew.job_id}:2", f"{waiting.job_id}:1"}
    assert await bench.redis.exists(f"arq:job:{ended.job_id}:1") == 0
