"""Pauses and limits, with real workers: what is held starts nothing and loses nothing."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from time import monotonic
from uuid import uuid4

import pytest
from arq.connections import ArqRedis
from arq.worker import func
from job_bench import Bench, ring_of

from shared.broker import connect_redis
from shared.clock import utc_now
from shared.domain.fleet.limits import Limit, Rate
from shared.domain.job.attempts import ReportProgress, Worked
from shared.domain.job.jobs import AttemptOutcome, BlockReason, Job, JobState
from shared.domain.job.leases import ClaimedJob, JobEnd
from shared.domain.job.timeline import TimeSegment, timeline_of
from shared.services.job.holds import Holds
from shared.storage.fleet.limit_store import LimitStore
from shared.storage.job.hold_store import HoldStore
from shared.storage.job.job_store import JobStore
from shared.storage.job.timeline_store import TimelineStore
from shared.task_queue import RUN_JOB
from shared.tasks import end_tasks
from worker.doorbell import DoorbellWorker
from worker.tasks.run_job import EXECUTION_KEY, QUEUE_KEY, run_job
from worker.upkeep.duties import Duty, keep

QUEUE = "tocsin:notify"
KEY = "acme"


class Counted:
    """Work that counts how much of it runs at once by limit key, and when each began."""

    def __init__(self) -> None:
        self.running: Counter[str | None] = Counter()
        self.peaks: Counter[str | None] = Counter()
        self.starts: list[float] = []

    async def __call__(self, claimed: ClaimedJob, report: ReportProgress) -> Worked:
        key = claimed.limit_key
        self.running[key] += 1
        self.peaks[key] = max(self.peaks[key], self.running[key])
        self.starts.append(monotonic())
        try:
            # Long enough that a third one would be seen beside the two.
            await asyncio.sleep(0.005)
        finally:
            self.running[key] -= 1
        return Worked()


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[ArqRedis]:
    client = connect_redis(redis_url)
    yield client
    await client.aclose(close_connection_pool=True)


@asynccontextmanager
async def fleet(bench: Bench, client: ArqRedis, work: Counted, *, workers: int = 4) -> AsyncIterator[None]:
    """Workers of ten slots, each of which lets held jobs go as worker processes do."""
    crew = []
    for number in range(workers):
        execution, _ = bench.worker(work, owner=f"worker-{number}")
        context = {EXECUTION_KEY: execution, QUEUE_KEY: QUEUE}
        crew.append(DoorbellWorker([func(run_job, name=RUN_JOB)], client, queue=QUEUE, slots=10, context=context))
    duties = [Duty("release", 0.1, Holds(bench.database, bench.announcer).release) for _ in crew]
    serving = [asyncio.create_task(worker.serve()) for worker in crew]
    upkeep = [asyncio.create_task(keep(duty)) for duty in duties]
    try:
        yield
    finally:
        for worker in crew:
            worker.quiet()
        await asyncio.gather(*serving)
        await end_tasks(upkeep)
        await asyncio.gather(*(worker.finish(within_seconds=10) for worker in crew))
        await bench.announcer.drain()


async def until(bench: Bench, is_reached: Callable[[list[Job]], bool], jobs: list[Job], seconds: float = 60) -> None:
    """Wait until the jobs stand as told."""
    async with asyncio.timeout(seconds):
        while True:
            async with bench.database.transaction() as work:
                found = await JobStore(work).find_jobs([job.job_id for job in jobs])
            if is_reached(list(found.values())):
                return
            await asyncio.sleep(0.02)


def all_succeeded(jobs: list[Job]) -> bool:
    return all(job.state is JobState.SUCCEEDED for job in jobs)


def all_held(reason: BlockReason) -> Callable[[list[Job]], bool]:
    return lambda jobs: all(job.blocked_by is reason for job in jobs)


async def put_limit(bench: Bench, limit: Limit) -> None:
    async with bench.database.transaction() as work:
        await LimitStore(work).put(limit)


async def set_paused(bench: Bench, *, is_paused: bool) -> None:
    async with bench.database.transaction() as work:
        await work.run(
            "insert into queues (queue, paused_at) values ($1, case when $2 then now() end) "
            "on conflict (queue) do update set paused_at = excluded.paused_at",
            QUEUE,
            is_paused,
        )


async def test_a_limit_of_two_is_kept_by_four_workers(bench: Bench, client: ArqRedis) -> None:
    """Never do three run at once, however many slots there are, and every job comes to its end once."""
    await put_limit(bench, Limit(KEY, max_running=2))
    jobs = [await bench.submitted(limit_key=KEY) for _ in range(150)]
    others = [await bench.submitted(limit_key="unlimited") for _ in range(20)]
    work = Counted()
    async with fleet(bench, client, work):
        await until(bench, all_succeeded, jobs + others)
    assert len(work.starts) == 170
    assert work.peaks[KEY] == 2
    assert work.peaks["unlimited"] > 2
    for job in jobs[:10]:
        assert await bench.outcomes(job.job_id) == ["succeeded"]


async def test_a_rate_is_kept_by_four_workers(bench: Bench, client: ArqRedis) -> None:
    """A burst of ten, then ten a second, whoever starts them."""
    await put_limit(bench, Limit(KEY, rate=Rate(10, timedelta(seconds=1))))
    jobs = [await bench.submitted(limit_key=KEY) for _ in range(25)]
    work = Counted()
    async with fleet(bench, client, work):
        await until(bench, all_succeeded, jobs)
    starts = sorted(work.starts)
    for first in range(len(starts)):
        for last in range(first, len(starts)):
            # A claim and the start of its work lie some milliseconds apart, more on a busy machine.
            assert last - first + 1 <= 10 + (starts[last] - starts[first] + 0.2) * 10


async def test_a_paused_queue_starts_nothing_and_loses_nothing(bench: Bench, client: ArqRedis) -> None:
    """Its rings are taken out of Redis; resuming runs all, and the time held is told."""
    await set_paused(bench, is_paused=True)
    jobs = [await bench.submitted() for _ in range(20)]
    work = Counted()
    async with fleet(bench, client, work):
        await until(bench, all_held(BlockReason.PAUSED), jobs)
        assert await bench.rung() == set()
        assert work.starts == []
        await set_paused(bench, is_paused=False)
        await until(bench, all_succeeded, jobs)
    assert len(work.starts) == 20
    async with bench.database.transaction() as unit:
        (row,) = await unit.fetch("select min(blocked_ms) as least from job_attempts")
    assert row.least > 0


@pytest.mark.parametrize("change", ["raised", "lifted"])
async def test_changing_a_limit_frees_what_it_held(bench: Bench, client: ArqRedis, change: str) -> None:
    """A rate of one an hour holds all but one; another limit, or none, lets all go."""
    await put_limit(bench, Limit(KEY, rate=Rate(1, timedelta(hours=1))))
    jobs = [await bench.submitted(limit_key=KEY) for _ in range(12)]
    work = Counted()
    async with fleet(bench, client, work):
        await until(bench, lambda seen: sum(job.blocked_by is BlockReason.RATE for job in seen) == 11, jobs)
        if change == "raised":
            await put_limit(bench, Limit(KEY, max_running=5))
        else:
            async with bench.database.transaction() as unit:
                await LimitStore(unit).delete(KEY)
        await until(bench, all_succeeded, jobs)
    assert len(work.starts) == 12


async def test_what_is_let_go_is_the_best_priority_then_the_oldest(bench: Bench, client: ArqRedis) -> None:
    """One at a time under a limit of one, in that order, whatever order they came in."""
    await put_limit(bench, Limit(KEY, max_running=1))
    order: list[int] = []

    class Ordered(Counted):
        async def __call__(self, claimed: ClaimedJob, report: ReportProgress) -> Worked:
            order.append(claimed.priority)
            return await super().__call__(claimed, report)

    await set_paused(bench, is_paused=True)
    jobs = [await bench.submitted(limit_key=KEY, priority=priority) for priority in (1, 5, 3, 9, 7)]
    async with fleet(bench, client, Ordered(), workers=1):
        await until(bench, all_held(BlockReason.PAUSED), jobs)
        await set_paused(bench, is_paused=False)
        await until(bench, all_succeeded, jobs)
    assert order == [9, 7, 5, 3, 1]


async def test_an_end_and_a_hold_at_once_leave_no_job_behind(bench: Bench) -> None:
    """A job parked while the one before it ends is let go by that end: the limit's lock puts one before the other."""
    await put_limit(bench, Limit(KEY, max_running=1))
    first, second = [await bench.submitted(limit_key=KEY) for _ in range(2)]
    execution, _ = bench.worker(Counted(), owner="worker-1")
    async with bench.database.transaction() as parking:
        claimed, _ = await HoldStore(parking).settle([(ring_of(first), uuid4())], owner="w", lease=bench.lease)
    (running,) = claimed.values()
    end = JobEnd(running, JobState.SUCCEEDED, AttemptOutcome.SUCCEEDED, utc_now())
    async with bench.database.transaction() as parking:
        await HoldStore(parking).settle([(ring_of(second), uuid4())], owner="w", lease=bench.lease)
        ending = asyncio.create_task(execution._flush_ends([end]))
        await somebody_waits(bench)
    await ending
    assert (await bench.job(second.job_id)).blocked_by is None
    assert f"{second.job_id}:2" in await bench.rung()


async def test_of_a_job_that_ended_while_held_the_time_held_is_told(bench: Bench) -> None:
    """Whether it was cancelled or came to its deadline; its timeline has the pause, not a wait for a worker."""
    await set_paused(bench, is_paused=True)
    cancelled, expired = [await bench.submitted(expires_at=utc_now() + timedelta(hours=1)) for _ in range(2)]
    async with bench.database.transaction() as work:
        rings = [(ring_of(job), uuid4()) for job in (cancelled, expired)]
        await HoldStore(work).settle(rings, owner="w", lease=bench.lease)
    await bench.control.cancel(cancelled.job_id)
    async with bench.database.transaction() as work:
        await work.run("update jobs set expires_at = now() where job_id = $1", expired.job_id)
    await bench.recovery.expire()
    for job in (cancelled, expired):
        async with bench.database.transaction() as work:
            life = await TimelineStore(work).find_life(job.job_id)
        assert life is not None
        assert timeline_of(life, (), now=utc_now()).totals[TimeSegment.BLOCKED] > timedelta(0)


async def somebody_waits(bench: Bench) -> None:
    """Wait until a transaction waits for a lock that another one holds."""
    statement = (
        "select count(*) as n from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    )
    async with asyncio.timeout(30):
        while True:
            async with bench.database.transaction() as work:
                if (await work.fetch(statement))[0].n:
                    return
