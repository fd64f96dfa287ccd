"""The ARQ worker with its poll step replaced: woken, not polling; and what it leans on in ARQ is still there."""

import asyncio
import inspect
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import Any
from uuid import UUID, uuid4

import arq.worker
import pytest
from arq.connections import ArqRedis
from arq.constants import job_key_prefix
from arq.worker import Worker, func
from redis.asyncio import Redis

from shared.broker import connect_redis, decode_ring, encode_ring
from shared.domain.job.jobs import PRIORITY_STEP, Ring, rank_of
from shared.task_queue import RUN_JOB, TaskQueue, wake_key
from worker import doorbell
from worker.doorbell import DoorbellWorker

QUEUE = "tocsin:collect"


def ring() -> Ring:
    return Ring(uuid4(), 1, QUEUE)


class Ear:
    """A ring's function that notes what it heard and may be held."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[tuple[UUID, int]] = asyncio.Queue()
        self.gate = asyncio.Event()
        self.gate.set()
        self.peak = 0
        self.running = 0

    async def hear(self, ctx: dict[str, Any], job_id: str, dispatch_no: int) -> None:
        self.running += 1
        self.peak = max(self.peak, self.running)
        try:
            self.heard.put_nowait((UUID(job_id), dispatch_no))
            await self.gate.wait()
        finally:
            self.running -= 1

    async def next(self) -> tuple[UUID, int]:
        async with asyncio.timeout(10):
            return await self.heard.get()


@pytest.fixture
async def client(redis: Redis, redis_url: str) -> AsyncIterator[ArqRedis]:
    client = connect_redis(redis_url)
    yield client
    await client.aclose(close_connection_pool=True)


@pytest.fixture
async def ear() -> Ear:
    return Ear()


def new_worker(client: ArqRedis, ear: Ear, *, slots: int = 10) -> DoorbellWorker:
    return DoorbellWorker([func(ear.hear, name=RUN_JOB)], client, queue=QUEUE, slots=slots, context={})


@pytest.fixture
async def worker(client: ArqRedis, ear: Ear) -> AsyncIterator[DoorbellWorker]:
    worker = new_worker(client, ear)
    serving = asyncio.create_task(worker.serve())
    yield worker
    ear.gate.set()
    worker.quiet()
    await serving
    await worker.finish(within_seconds=5)


async def test_a_ring_is_heard_by_an_idle_worker(worker: DoorbellWorker, ear: Ear, client: ArqRedis) -> None:
    """A sleeping worker is woken by the ring itself."""
    rung = ring()
    await TaskQueue(client).ring([rung])
    assert await ear.next() == (rung.job_id, 1)


async def test_nothing_is_left_in_redis(worker: DoorbellWorker, ear: Ear, client: ArqRedis) -> None:
    """An answered ring leaves no queue entry, no payload, no lock and no result behind."""
    for _ in range(3):
        await TaskQueue(client).ring([ring(), ring()])
        await ear.next()
        await ear.next()
    left = {key for key in await client.keys("*") if not key.endswith(b":wake")}
    assert left == set()


async def test_a_worker_takes_no_more_than_its_slots(client: ArqRedis, ear: Ear) -> None:
    """What does not fit stays in the queue, where another worker finds it."""
    ear.gate.clear()
    worker = new_worker(client, ear, slots=3)
    await TaskQueue(client).ring([ring() for _ in range(5)])
    serving = asyncio.create_task(worker.serve())
    for _ in range(3):
        await ear.next()
    assert await client.zcard(QUEUE) == 2
    ear.gate.set()
    await ear.next()
    await ear.next()
    worker.quiet()
    await serving
    assert ear.peak == 3


async def test_a_saturated_worker_leaves_rings_to_others(client: ArqRedis, ear: Ear) -> None:
    """However many slots it has; it takes rings again once it has done enough."""
    is_saturated = True
    worker = new_worker(client, ear)
    worker.hold_while(lambda: is_saturated)
    serving = asyncio.create_task(worker.serve())
    first = ring()
    await TaskQueue(client).ring([first])
    idle_ear = Ear()
    other = new_worker(client, idle_ear)
    serving_too = asyncio.create_task(other.serve())
    assert await idle_ear.next() == (first.job_id, 1)
    other.quiet()
    await serving_too
    second = ring()
    await TaskQueue(client).ring([second])
    assert await client.zcard(QUEUE) == 1
    is_saturated = False
    assert await ear.next() == (second.job_id, 1)
    worker.quiet()
    await serving


async def test_many_workers_use_all_their_slots(client: ArqRedis, ear: Ear) -> None:
    """Twelve workers with ten slots run 120 jobs at once; stock ARQ stalls at a hundred."""
    ear.gate.clear()
    workers = [new_worker(client, ear) for _ in range(12)]
    await TaskQueue(client).ring([ring() for _ in range(150)])
    serving = [asyncio.create_task(worker.serve()) for worker in workers]
    for _ in range(120):
        await ear.next()
    assert (ear.running, await client.zcard(QUEUE)) == (120, 30)
    ear.gate.set()
    for _ in range(30):
        await ear.next()
    for worker in workers:
        worker.quiet()
    await asyncio.gather(*serving)


async def test_a_ring_repeated_while_it_is_answered_is_dropped(
    worker: DoorbellWorker, ear: Ear, client: ArqRedis
) -> None:
    """Upkeep may ring again for what was just taken; the answer under way stays the one that a stop waits for."""
    ear.gate.clear()
    first, other = ring(), ring()
    await TaskQueue(client).ring([first])
    await ear.next()
    answering = dict(worker.tasks)
    await TaskQueue(client).ring([first])
    await TaskQueue(client).ring([other])
    assert await ear.next() == (other.job_id, 1)
    assert worker.tasks.items() >= answering.items()
    assert ear.running == 2


async def test_an_unreadable_ring_is_dropped_and_the_next_heard(
    worker: DoorbellWorker, ear: Ear, client: ArqRedis
) -> None:
    """Garbage in Redis, an unknown function or a payload that is gone stops nobody."""
    await client.zadd(QUEUE, {"gone:1": 1, "garbage:1": 2, "unknown:1": 3})
    await client.set(job_key_prefix + "garbage:1", b"\x80\x04 not json")
    await client.set(job_key_prefix + "unknown:1", encode_ring({"t": None, "f": "what", "a": [], "k": {}, "et": 1}))
    rung = ring()
    await TaskQueue(client).ring([rung])
    assert await ear.next() == (rung.job_id, 1)
    assert worker.jobs_failed == 3


async def test_a_failing_ring_does_not_end_the_worker(client: ArqRedis) -> None:
    """The database may be away when a ring is answered; the worker goes on."""
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def fail_first(ctx: dict[str, Any], job_id: str, dispatch_no: int) -> None:
        heard.put_nowait(job_id)
        if heard.qsize() == 1:
            raise RuntimeError("the database is away")

    worker = DoorbellWorker([func(fail_first, name=RUN_JOB)], client, queue=QUEUE, slots=1, context={})
    serving = asyncio.create_task(worker.serve())
    await TaskQueue(client).ring([ring(), ring()])
    async with asyncio.timeout(10):
        await heard.get()
        await heard.get()
    worker.quiet()
    await serving
    assert worker.jobs_failed + worker.jobs_complete >= 1


async def test_a_quiet_worker_leaves_the_queue_alone(client: ArqRedis, ear: Ear) -> None:
    """A stopping worker takes nothing more, and what runs may finish."""
    ear.gate.clear()
    worker = new_worker(client, ear)
    serving = asyncio.create_task(worker.serve())
    await TaskQueue(client).ring([ring()])
    await ear.next()
    worker.quiet()
    await serving
    await TaskQueue(client).ring([ring()])
    ear.gate.set()
    await worker.finish(within_seconds=10)
    assert await client.zcard(QUEUE) == 1
    assert worker.jobs_complete == 1


async def test_a_paused_worker_takes_nothing_until_it_is_resumed(
    worker: DoorbellWorker, ear: Ear, client: ArqRedis
) -> None:
    """What it has taken is answered, what comes waits in the queue, and nothing of it is lost."""
    ear.gate.clear()
    first, second = ring(), ring()
    await TaskQueue(client).ring([first])
    assert await ear.next() == (first.job_id, 1)
    worker.pause()
    await TaskQueue(client).ring([second])
    ear.gate.set()
    await asyncio.gather(*worker.tasks.values())
    assert (worker.jobs_complete, await client.zcard(QUEUE)) == (1, 1)
    worker.resume()
    assert await ear.next() == (second.job_id, 1)


async def test_a_pause_while_rings_are_taken_out_drops_none(
    client: ArqRedis, ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They have left the queue already, so that this worker is the only one that can answer them."""
    worker = new_worker(client, ear)
    rings = [ring() for _ in range(3)]
    await TaskQueue(client).ring(rings)
    take = worker._take

    async def take_and_pause(count: int) -> list[tuple[str, bytes | None]]:
        taken = await take(count)
        worker.pause()
        return taken

    monkeypatch.setattr(worker, "_take", take_and_pause)
    serving = asyncio.create_task(worker.serve())
    assert {await ear.next() for _ in rings} == {(each.job_id, 1) for each in rings}
    worker.quiet()
    await serving


async def test_a_paused_worker_can_be_stopped(client: ArqRedis, ear: Ear) -> None:
    """It ends without taking anything more."""
    worker = new_worker(client, ear)
    worker.pause()
    serving = asyncio.create_task(worker.serve())
    await TaskQueue(client).ring([ring()])
    worker.quiet()
    await asyncio.wait_for(serving, 10)
    assert await client.zcard(QUEUE) == 1


async def test_a_full_worker_is_quiet_at_once(client: ArqRedis, ear: Ear) -> None:
    """A stop does not wait for a slot to become free."""
    ear.gate.clear()
    worker = new_worker(client, ear, slots=1)
    await TaskQueue(client).ring([ring(), ring()])
    serving = asyncio.create_task(worker.serve())
    await ear.next()
    worker.quiet()
    await asyncio.wait_for(serving, 10)
    assert (ear.running, await client.zcard(QUEUE)) == (1, 1)
    worker.hurry()
    await asyncio.wait_for(worker.finish(within_seconds=3600), 10)
    assert ear.running == 0


async def test_a_ring_whose_token_was_taken_is_found(
    worker: DoorbellWorker, ear: Ear, client: ArqRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker may die with the token in its hands; the others look by themselves after a sleep."""
    monkeypatch.setattr(doorbell, "IDLE_SECONDS", 0.1)
    rung = ring()
    payload = encode_ring({"t": None, "f": RUN_JOB, "a": [str(rung.job_id), 1], "k": {}, "et": 1})
    await client.set(job_key_prefix + rung.ring_id, payload)
    await client.zadd(QUEUE, {rung.ring_id: 1})
    assert await ear.next() == (rung.job_id, 1)


async def test_who_is_woken_and_full_wakes_the_next(client: ArqRedis, ear: Ear) -> None:
    """Tokens are bounded, rings are not: one token gets all sleepers to work."""
    ear.gate.clear()
    workers = [new_worker(client, ear, slots=1) for _ in range(3)]
    serving = [asyncio.create_task(worker.serve()) for worker in workers]
    async with asyncio.timeout(10):
        while (await client.info("clients"))["blocked_clients"] < 3:
            pass
    for each in (ring() for _ in range(3)):
        payload = encode_ring({"t": None, "f": RUN_JOB, "a": [str(each.job_id), 1], "k": {}, "et": 1})
        await client.set(job_key_prefix + each.ring_id, payload)
        await client.zadd(QUEUE, {each.ring_id: 1})
    await client.lpush(wake_key(QUEUE), "1")
    for _ in range(3):
        await ear.next()
    assert ear.running == 3
    ear.gate.set()
    for worker in workers:
        worker.quiet()
    await asyncio.gather(*serving)


async def test_the_urgent_goes_first(client: ArqRedis, ear: Ear) -> None:
    """Of what is due at the same time, the greater priority; of one priority, what was due first."""
    now = datetime.now(UTC)
    order = [(9, now), (4, now - timedelta(seconds=1)), (4, now), (0, now)]
    rings = [Ring(uuid4(), 1, QUEUE, rank_of(due, priority)) for priority, due in order]
    await TaskQueue(client).ring(rings[::-1])
    assert await heard_in_order(client, ear, len(rings)) == [each.job_id for each in rings]


async def test_the_patient_is_not_starved(client: ArqRedis, ear: Ear) -> None:
    """Under a flood of the greatest priority, a job of the least goes once it waited nine steps longer."""
    now = datetime.now(UTC)
    patient = Ring(uuid4(), 1, QUEUE, rank_of(now - 9 * PRIORITY_STEP - timedelta(seconds=1), 0))
    waiting = Ring(uuid4(), 1, QUEUE, rank_of(now - 5 * PRIORITY_STEP, 0))
    flood = [Ring(uuid4(), 1, QUEUE, rank_of(now, 9)) for _ in range(50)]
    await TaskQueue(client).ring([*flood, waiting, patient])
    heard = await heard_in_order(client, ear, 52)
    assert (heard[0], heard[-1]) == (patient.job_id, waiting.job_id)


async def heard_in_order(client: ArqRedis, ear: Ear, count: int) -> list[UUID]:
    """What a worker that does one thing after the other does."""
    worker = new_worker(client, ear, slots=1)
    serving = asyncio.create_task(worker.serve())
    heard = [(await ear.next())[0] for _ in range(count)]
    worker.quiet()
    await serving
    return heard


async def test_a_stock_worker_understands_our_rings(client: ArqRedis, ear: Ear) -> None:
    """The queue's format is ARQ's own, so that its own worker can stand in."""
    rung = ring()
    await TaskQueue(client).ring([rung])
    stock = Worker(
        [func(ear.hear, name=RUN_JOB)],
        redis_pool=client,
        queue_name=QUEUE,
        burst=True,
        handle_signals=False,
        keep_result=0,
        poll_delay=0.01,
        job_serializer=encode_ring,
        job_deserializer=decode_ring,
    )
    await stock.main()
    assert await ear.next() == (rung.job_id, 1)


def test_what_we_lean_on_in_arq_is_still_there() -> None:
    """Fails when an upgrade of ARQ moves what `worker.doorbell` replaces or reads."""
    assert version("arq").startswith("0.28.")
    assert inspect.iscoroutinefunction(Worker._poll_iteration)
    assert list(inspect.signature(arq.worker.deserialize_job_raw).parameters) == ["r", "deserializer"]
    main = inspect.getsource(Worker.main)
    assert "_poll_iteration" in main
    init = inspect.getsource(Worker.__init__)
    for name in ("self.tasks", "self.max_jobs", "self.functions", "self.allow_pick_jobs", "self.jobs_failed"):
        assert f"{name} =" in init or f"{name}:" in init, name
    assert job_key_prefix == "arq:job:"


async def test_ringing_again_wakes_again(worker: DoorbellWorker, ear: Ear, client: ArqRedis) -> None:
    """A ring whose token died with the worker that took it is heard as soon as upkeep rings once more."""
    rung = ring()
    await client.zadd(QUEUE, {rung.ring_id: rung.rank_ms})
    await TaskQueue(client).ring([rung])
    async with asyncio.timeout(2):
        assert await ear.next() == (rung.job_id, 1)
