"""A worker as the process it is: killed, stopped, and cut off from Valkey."""

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import httpx2
import pytest
from job_bench import Bench, new_job
from redis.asyncio import Redis

from shared.domain.jobs import Job, JobKind, JobState
from shared.services.job_submission import Accepted, Submission
from shared.storage.database import Database, create_engine

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
PATIENCE_SECONDS = 60


@dataclass
class Site:
    """A web server that can be told to keep its visitors waiting."""

    visited: asyncio.Queue[None] = field(default_factory=asyncio.Queue)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request once the gate is open."""
        await reader.readuntil(b"\r\n\r\n")
        self.visited.put_nowait(None)
        await self.gate.wait()
        writer.write(ANSWER)
        writer.close()

    async def visit(self) -> None:
        """Wait for the next visitor."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self.visited.get()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    server = await asyncio.start_server(site.serve, "127.0.0.1", 0)
    site.port = server.sockets[0].getsockname()[1]
    yield site
    site.gate.set()
    server.close()


@pytest.fixture
async def bench(fresh_database_url: str, redis: Redis) -> AsyncIterator[Bench]:
    """The services over a database of the test's own, which other processes use too."""
    database = Database(create_engine(fresh_database_url, pool_size=4, name="test"))
    bench = Bench(database, redis)
    yield bench
    await bench.submission.drain()
    await bench.events.drain()
    await database.close()


@asynccontextmanager
async def worker_process(database_url: str, redis_url: str, **settings: str) -> AsyncIterator[Process]:
    """A worker in a process of its own; whatever the test does to it, it is gone at the end."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")} | {
        "TOCSIN_DATABASE_URL": database_url,
        "TOCSIN_REDIS_URL": redis_url,
        "TOCSIN_EGRESS_LOOPBACK": "true",
        "TOCSIN_LEASE_SECONDS": "2",
        "TOCSIN_LOG_LEVEL": "error",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cli.main", "worker", env=environment | settings
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await process.wait()


async def submit(bench: Bench, site: Site) -> Job:
    spec = f'{{"targets": [{{"kind": "http", "url": "http://127.0.0.1:{site.port}/", "timeout": "60s"}}]}}'
    accepted = await bench.submission.submit(Submission(new_job(kind=JobKind.COLLECT, spec=spec)))
    assert isinstance(accepted, Accepted)
    return accepted.job


async def ended(bench: Bench, job: Job) -> Job:
    """The job once it is done; woken by its events, and looking again when one was missed."""
    told = asyncio.Event()
    listening = asyncio.create_task(bench.events.listen(lambda _: told.set(), reconnected=told.set))
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (found := await bench.job(job.job_id)).is_done:
                await told.wait()
                told.clear()
        return found
    finally:
        listening.cancel()


async def count_samples(bench: Bench, job: Job) -> int:
    async with bench.database.transaction() as work:
        rows = await work.fetch("select count(*) as n from job_samples where job_id = $1", job.job_id)
        found: int = rows[0].n
        return found


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
