"""A worker process from its first heartbeat to its last: seen, quiet, told to cancel, stopped, hurried."""

import asyncio
import signal
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import pytest
from job_bench import Bench
from redis.asyncio import Redis
from worker_site import PATIENCE_SECONDS, Site, ended, open_site, submit, worker_process

from shared.domain.fleet.workers import Worker, WorkerOrder, WorkerState
from shared.domain.job.jobs import JobState
from shared.events import Orders
from shared.services.fleet.fleet import Fleet, WorkerDetail
from shared.storage.database import Database, create_engine

COLLECT = "tocsin:collect"
QUEUES = 3


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with open_site() as site:
        yield site


@pytest.fixture
async def bench(fresh_database_url: str, redis: Redis) -> AsyncIterator[Bench]:
    """The services over a database of the test's own, which other processes use too."""
    database = Database(create_engine(fresh_database_url, pool_size=4, name="test"))
    bench = Bench(database, redis)
    yield bench
    await bench.submission.drain()
    await bench.events.drain()
    await database.close()


@pytest.fixture
def fleet(bench: Bench) -> Fleet:
    return Fleet(bench.database, Orders(bench.redis))


async def seen(fleet: Fleet, is_it: Callable[[Worker], bool] = lambda _: True) -> Worker:
    """The worker once it reports itself like that."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            for worker in await fleet.list_workers(after=None, limit=10):
                if is_it(worker):
                    return worker


async def stopped(process: Process) -> int:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await process.wait()


async def test_a_worker_shows_what_it_runs(
    bench: Bench, site: Site, fleet: Fleet, fresh_database_url: str, redis_url: str
) -> None:
    """It reports itself before its first job, and is shown with the jobs it holds."""
    async with worker_process(fresh_database_url, redis_url) as process:
        worker = await seen(fleet)
        assert (worker.pid, worker.state, worker.busy) == (process.pid, WorkerState.RUNNING, 0)
        assert (sorted(worker.queues), worker.slots) == (
            ["tocsin:collect", "tocsin:notify", "tocsin:requeue", "tocsin:round"],
            20 + 100 + 2 + 50,
        )
        job = await submit(bench, site)
        await site.visit()
        await seen(fleet, lambda worker: worker.busy == 1)
        detail = await fleet.find(worker.worker_id)
        assert isinstance(detail, WorkerDetail)
        assert [held.job_id for held in detail.jobs] == [job.job_id]


async def test_a_quiet_worker_finishes_what_it_runs_and_goes_on_when_told_to(
    bench: Bench, site: Site, fleet: Fleet, fresh_database_url: str, redis_url: str
) -> None:
    """It takes nothing meanwhile, and lives."""
    async with worker_process(fresh_database_url, redis_url):
        worker = await seen(fleet)
        first = await submit(bench, site)
        await site.visit()
        await fleet.order(worker.worker_id, WorkerOrder.QUIET)
        quiet = await seen(fleet, lambda worker: worker.state is WorkerState.QUIET)
        second = await submit(bench, site)
        site.gate.set()
        assert (await ended(bench, first)).state is JobState.SUCCEEDED
        # It has beaten again since, and would have taken what waits.
        await seen(fleet, lambda worker: worker.beat_at > quiet.beat_at and worker.busy == 0)
        assert f"{second.job_id}:1" in await bench.rung(COLLECT)
        assert (await bench.job(second.job_id)).state is JobState.QUEUED
        await fleet.order(worker.worker_id, None)
        assert (await ended(bench, second)).state is JobState.SUCCEEDED
        await seen(fleet, lambda worker: worker.state is WorkerState.RUNNING)


async def test_a_running_job_hears_of_its_cancel_at_once(
    bench: Bench, site: Site, fleet: Fleet, fresh_database_url: str, redis_url: str
) -> None:
    """The next heartbeat would come ten seconds after the one before."""
    async with worker_process(fresh_database_url, redis_url, TOCSIN_LEASE_SECONDS="600"):
        await seen(fleet)
        job = await submit(bench, site)
        await site.visit()
        asked_at = time.monotonic()
        await bench.control.cancel(job.job_id)
        done = await ended(bench, job)
        assert time.monotonic() - asked_at < 5
    assert done.state is JobState.CANCELLED
    assert await bench.outcomes(job.job_id) == ["cancelled"]


async def test_a_stopping_worker_says_so_and_is_gone_afterwards(
    bench: Bench, site: Site, fleet: Fleet, fresh_database_url: str, redis_url: str
) -> None:
    """It waits for what runs; a second signal lets it hand that back at once, unspent."""
    async with worker_process(fresh_database_url, redis_url, TOCSIN_DRAIN_SECONDS="3600") as process:
        job = await submit(bench, site)
        await site.visit()
        process.send_signal(signal.SIGTERM)
        stopping = await seen(fleet, lambda worker: worker.state is WorkerState.STOPPING)
        assert stopping.busy == 1
        process.send_signal(signal.SIGTERM)
        assert await stopped(process) == 0
    assert await fleet.list_workers(after=None, limit=10) == []
    back = await bench.job(job.job_id)
    assert (back.state, back.attempt) == (JobState.QUEUED, 0)
    assert await bench.outcomes(job.job_id) == ["released"]


async def test_an_idle_worker_leaves_valkey_alone(
    bench: Bench, fleet: Fleet, fresh_database_url: str, redis_url: str
) -> None:
    """No more than two commands a second, all of its queues and its upkeep together."""
    async with worker_process(fresh_database_url, redis_url):
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (await bench.redis.info("clients"))["blocked_clients"] < QUEUES:
                pass
        begun = await seen(fleet)
        await bench.redis.config_resetstat()
        window = timedelta(seconds=6)
        over = await seen(fleet, lambda worker: worker.beat_at > begun.beat_at + window)
        counted = await bench.redis.info("commandstats")
    commands = {name: told["calls"] for name, told in counted.items()}
    of_the_test = commands.pop("cmdstat_config|resetstat", 0)
    assert of_the_test <= 1
    assert 0 < sum(commands.values()) <= 2 * (over.beat_at - begun.beat_at).total_seconds(), commands
