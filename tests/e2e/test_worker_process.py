"""A worker as the process it is: killed, stopped, and cut off from Valkey."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx2
import pytest
from job_bench import Bench
from redis.asyncio import Redis
from worker_site import PATIENCE_SECONDS, Site, count_samples, ended, open_site, submit, worker_process

from shared.domain.job.jobs import JobState
from shared.storage.database import Database, create_engine


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


async def test_a_killed_workers_job_is_finished_by_another(
    bench: Bench, site: Site, fresh_database_url: str, redis_url: str
) -> None:
    """Kill -9 in the middle of a job costs one attempt; the job ends once and its sample is there once."""
    job = await submit(bench, site)
    async with worker_process(fresh_database_url, redis_url) as first:
        await site.visit()
        first.kill()
    site.gate.set()
    async with worker_process(fresh_database_url, redis_url):
        done = await ended(bench, job)
    assert (done.state, done.attempt, done.result) == (
        JobState.SUCCEEDED,
        2,
        {"up": 1, "degraded": 0, "down": 0, "error": 0},
    )
    assert await bench.outcomes(job.job_id) == ["lost", "succeeded"]
    assert await count_samples(bench, job) == 1


async def test_a_stopped_worker_hands_its_job_to_another(
    bench: Bench, site: Site, fresh_database_url: str, redis_url: str
) -> None:
    """SIGTERM hands back what does not end in time, spends no attempt, and the process ends with 0."""
    job = await submit(bench, site)
    async with worker_process(fresh_database_url, redis_url, TOCSIN_DRAIN_SECONDS="0.1") as first:
        await site.visit()
        first.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await first.wait() == 0
    assert await bench.outcomes(job.job_id) == ["released"]
    site.gate.set()
    async with worker_process(fresh_database_url, redis_url):
        done = await ended(bench, job)
    assert (done.state, done.attempt) == (JobState.SUCCEEDED, 1)


async def test_a_wiped_redis_loses_no_job(bench: Bench, site: Site, fresh_database_url: str, redis_url: str) -> None:
    """All rings are forgotten before a worker comes; upkeep finds the rows and every job ends once."""
    site.gate.set()
    jobs = [await submit(bench, site) for _ in range(20)]
    await bench.doorbell.drain()
    await bench.repair.relay(older_than=timedelta(0))
    async with bench.database.transaction() as work:
        await work.run("update jobs set dispatched_at = dispatched_at - interval '1 hour'")
    await bench.redis.flushall()
    async with worker_process(fresh_database_url, redis_url):
        states = [(await ended(bench, job)).state for job in jobs]
    assert states == [JobState.SUCCEEDED] * 20
    assert [await bench.outcomes(job.job_id) for job in jobs] == [["succeeded"]] * 20


async def test_a_worker_shows_what_it_counts(bench: Bench, site: Site, fresh_database_url: str, redis_url: str) -> None:
    """With a port set, Prometheus finds the attempts that were made and the duties that ran."""
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    site.gate.set()
    job = await submit(bench, site)
    async with worker_process(fresh_database_url, redis_url, TOCSIN_WORKER_METRICS_PORT=str(port)):
        await ended(bench, job)
        shown = ""
        async with asyncio.timeout(PATIENCE_SECONDS), httpx2.AsyncClient() as client:
            # The attempt is counted a moment after its job's end was told.
            while 'tocsin_attempts_total{kind="collect",outcome="succeeded"} 1.0' not in shown:
                shown = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
    assert 'tocsin_upkeep_jobs_total{duty="relay"}' in shown
