"""A worker process outlives its servers: Valkey or PostgreSQL stopped and started again, connections fallen silent."""

import asyncio
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from job_bench import Bench
from silent_proxy import database_socket_of, database_url_by, redis_socket_of, redis_url_by, silent_proxy
from worker_site import PATIENCE_SECONDS, Site, count_samples, open_site, submit, worker_process

from cli.embedded import EmbeddedServers, ServerUrls
from cli.embedded.postgres import PostgresServer
from cli.embedded.valkey import ValkeyServer
from cli.migrate import migrate
from shared.broker import connect_redis
from shared.domain.job.jobs import Job
from shared.storage.database import Database, create_engine
from shared.storage.errors import StorageUnavailableError

LOOK_SECONDS = 0.05


class Grounds:
    """Both servers, which can be stopped and started again."""

    def __init__(self, embedded: EmbeddedServers, urls: ServerUrls) -> None:
        self._embedded = embedded
        self.urls = urls

    @asynccontextmanager
    async def without(self, kind: type[PostgresServer] | type[ValkeyServer]) -> AsyncIterator[None]:
        """The block runs while the server is stopped; it is up again afterwards."""
        server = next(server for server in self._embedded.running if isinstance(server, kind))
        await asyncio.to_thread(server.stop)
        try:
            yield
        finally:
            await asyncio.to_thread(server.start)


@pytest.fixture(scope="module")
def grounds(short_dir: Path) -> Iterator[Grounds]:
    """Servers of these tests' own. They are stopped in order, so that PostgreSQL keeps all; Valkey forgets."""
    embedded = EmbeddedServers(short_dir / "outages", is_durable=False)
    with embedded as urls:
        migrate(urls.database_url)
        yield Grounds(embedded, urls)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with open_site() as site:
        yield site


@pytest.fixture
async def bench(grounds: Grounds) -> AsyncIterator[Bench]:
    """The services over the servers, by connections that the proxies do not touch."""
    database = Database(create_engine(grounds.urls.database_url, pool_size=4, name="test"))
    redis = connect_redis(grounds.urls.redis_url)
    bench = Bench(database, redis)
    yield bench
    await bench.submission.drain()
    await bench.events.drain()
    await database.close()
    await redis.aclose(close_connection_pool=True)


async def ended(bench: Bench, *jobs: Job) -> None:
    """Wait until the jobs have ended, looking at the rows, because events may have no way."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        for job in jobs:
            while True:
                if (await bench.job(job.job_id)).is_done:
                    break
                await asyncio.sleep(LOOK_SECONDS)


async def assert_done_once(bench: Bench, process: Process, *jobs: Job) -> None:
    """No job is lost, no attempt is spent, none was recorded twice, and the worker is the one it was."""
    await assert_recorded_once(bench, process, *jobs)
    assert [await bench.outcomes(job.job_id) for job in jobs] == [["succeeded"]] * len(jobs)


async def assert_recorded_once(bench: Bench, process: Process, *jobs: Job) -> None:
    """No job is lost, and none was recorded twice, however often it was tried."""
    await ended(bench, *jobs)
    assert [(await bench.outcomes(job.job_id)).count("succeeded") for job in jobs] == [1] * len(jobs)
    assert [await count_samples(bench, job) for job in jobs] == [1] * len(jobs)
    assert process.returncode is None


async def test_a_worker_outlives_valkey(grounds: Grounds, bench: Bench, site: Site) -> None:
    """What runs ends without it; what is submitted meanwhile is rung for when it is back, its memory empty."""
    async with worker_process(grounds.urls.database_url, grounds.urls.redis_url) as process:
        running = await submit(bench, site)
        await site.visit()
        async with grounds.without(ValkeyServer):
            meanwhile = await submit(bench, site)
            site.gate.set()
            await ended(bench, running)
        afterwards = await submit(bench, site)
        await assert_done_once(bench, process, running, meanwhile, afterwards)


async def test_a_worker_outlives_postgresql(grounds: Grounds, bench: Bench, site: Site) -> None:
    """What ends meanwhile is recorded when it is back; submissions are refused meanwhile, and none is half taken."""
    lease = {"TOCSIN_LEASE_SECONDS": "60"}
    async with worker_process(grounds.urls.database_url, grounds.urls.redis_url, **lease) as process:
        running = await submit(bench, site)
        await site.visit()
        async with grounds.without(PostgresServer):
            site.gate.set()
            with pytest.raises(StorageUnavailableError):
                await submit(bench, site)
        afterwards = await submit(bench, site)
        await assert_done_once(bench, process, running, afterwards)


async def test_a_worker_outlives_connections_that_fall_silent(grounds: Grounds, bench: Bench, site: Site) -> None:
    """Both at once, with nothing closed, a job under way and its upkeep in the middle of it.

    The server has not heard of it either: until it does, it keeps the rows locked that were being written.
    """
    urls = grounds.urls
    lease = {"TOCSIN_LEASE_SECONDS": "6"}
    async with (
        silent_proxy(database_socket_of(urls.database_url)) as database_proxy,
        silent_proxy(redis_socket_of(urls.redis_url)) as redis_proxy,
        worker_process(
            database_url_by(database_proxy, urls.database_url), redis_url_by(redis_proxy, urls.redis_url), **lease
        ) as process,
    ):
        running = await submit(bench, site)
        await site.visit()
        database_proxy.silence()
        redis_proxy.silence()
        meanwhile = [await submit(bench, site) for _ in range(3)]
        site.gate.set()
        await assert_recorded_once(bench, process, running, *meanwhile)
