"""Drains: a queue is filled while warm workers are paused; then first start to last end is the time."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
from arq import create_pool
from arq.connections import ArqRedis, RedisSettings
from uuid_utils.compat import uuid7

from bench.harness import Servers, execute, in_context
from bench.processes import Measured
from shared.clock import utc_now
from shared.domain.job.jobs import JobKind, NewJob
from shared.services.job.job_submission import Submission
from shared.wiring import ProcessContext

PATIENCE_SECONDS = 120.0
_PENDING = "select exists (select from jobs where finished_at is null)"
_SPAN = """
    select extract(epoch from min(started_at))::float8 as began, extract(epoch from max(finished_at))::float8 as ended,
           count(*) filter (where state <> 'succeeded' or (result->>'down')::int + (result->>'error')::int > 0) as bad
    from jobs
"""
_NAIVE_ROWS = """
    insert into naive_jobs (id, kind, state, spec, created_at)
    select gen_random_uuid(), 'notify', 'queued', '{}', now() from generate_series(1, $1) returning id::text
"""


@dataclass
class Drains:
    """Drains of one kind, one value a drain: jobs per second, and CPU microseconds a job."""

    rates: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    servers_cpu_us: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Queue:
    """A queue to be drained: how it is emptied and filled, and when the first job began and the last one ended."""

    jobs: int
    clear: Callable[[], None]
    fill: Callable[[], None]
    wait: Callable[[], tuple[float, float]]


def drain(servers: Servers, workers: Sequence[Measured], queue: Queue, *, into: Drains) -> None:
    """Drain the queue once to warm up, and once to be measured."""
    _drain_once(servers, workers, queue)
    rate, cpu, servers_cpu = _drain_once(servers, workers, queue)
    into.rates.append(rate)
    into.cpu_us.append(cpu / queue.jobs * 1e6)
    into.servers_cpu_us.append(servers_cpu / queue.jobs * 1e6)


def _drain_once(servers: Servers, workers: Sequence[Measured], queue: Queue) -> tuple[float, float, float]:
    # Not while the workers are paused: one of them may stand still inside a transaction.
    queue.clear()
    with ExitStack() as pauses:
        for worker in workers:
            pauses.enter_context(worker.paused())
        queue.fill()
        before, servers_before = _cpu(workers), servers.cpu_seconds
    began, ended = queue.wait()
    return queue.jobs / (ended - began), _cpu(workers) - before, servers.cpu_seconds - servers_before


def _cpu(workers: Sequence[Measured]) -> float:
    return sum(worker.cpu_seconds for worker in workers)


class StockQueue:
    """Stock ARQ's queue and the file its workers tell into."""

    def __init__(self, servers: Servers, told: Path) -> None:
        self._servers = servers
        self._told = told

    def no_ops(self, jobs: int) -> Queue:
        """Jobs that do nothing and have no row."""
        return self._queue(jobs, lambda: asyncio.run(self._enqueue("no_op", [()] * jobs)))

    def rows(self, jobs: int) -> Queue:
        """Jobs with a row that the ORM keeps."""
        return self._queue(jobs, lambda: asyncio.run(self._fill_rows(jobs)))

    def _queue(self, jobs: int, fill: Callable[[], None]) -> Queue:
        return Queue(jobs, clear=self._clear, fill=fill, wait=lambda: self._wait(jobs))

    def _clear(self) -> None:
        self._told.write_text("")

    async def _fill_rows(self, jobs: int) -> None:
        peer = await asyncpg.connect(self._servers.peer_environment()["BENCH_PEER_URL"])
        rows = await peer.fetch(_NAIVE_ROWS, jobs)
        await peer.close()
        await self._enqueue("run_row", [(row["id"],) for row in rows])

    async def _enqueue(self, function: str, arguments: Sequence[tuple[str, ...]]) -> None:
        async with stock_redis(self._servers) as redis:
            for first in range(0, len(arguments), 50):
                await asyncio.gather(*(redis.enqueue_job(function, *one) for one in arguments[first : first + 50]))

    def _wait(self, jobs: int) -> tuple[float, float]:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            told = [json.loads(line) for line in self._told.read_text().splitlines()]
            if sum(line["count"] for line in told) == jobs:
                return min(line["first"] for line in told), max(line["last"] for line in told)
            time.sleep(0.1)
        raise TimeoutError("stock ARQ was not done in time")


@asynccontextmanager
async def stock_redis(servers: Servers) -> AsyncIterator[ArqRedis]:
    """ARQ's own client, closed at the end of the block."""
    redis = await create_pool(RedisSettings(unix_socket_path=servers.redis_socket))
    try:
        yield redis
    finally:
        await redis.aclose()


class TocsinQueue:
    """Tocsin's jobs: submitted as the API does, a thousand a transaction, and read back from their rows."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers

    def of(self, kind: JobKind, specs: Sequence[str]) -> Queue:
        """Jobs of one kind, by what they are to do."""
        return Queue(
            len(specs), clear=self._clear, fill=lambda: self._fill(kind, specs), wait=lambda: asyncio.run(self._wait())
        )

    def _clear(self) -> None:
        asyncio.run(execute(self._servers.database_url, "truncate jobs cascade"))

    def _fill(self, kind: JobKind, specs: Sequence[str]) -> None:
        def submission(spec: str) -> Submission:
            return Submission(NewJob(uuid7(), kind, spec, utc_now(), max_attempts=3, principal_id="bench"))

        async def act(context: ProcessContext) -> None:
            for first in range(0, len(specs), 1000):
                await context.submission.submit_many([submission(spec) for spec in specs[first : first + 1000]])

        in_context(self._servers, act)

    async def _wait(self) -> tuple[float, float]:
        connection = await asyncpg.connect(self._servers.database_url)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while await connection.fetchval(_PENDING):
            if time.monotonic() > deadline:
                raise TimeoutError("Tocsin was not done in time")
            await asyncio.sleep(0.1)
        row = await connection.fetchrow(_SPAN)
        await connection.close()
        if row is None or row["bad"]:
            raise RuntimeError(f"not all jobs succeeded: {row}")
        return row["began"], row["ended"]
