"""Connections to PostgreSQL that fall silent without being closed, as behind a firewall that forgot them."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
from job_bench import Bench, ring_of
from redis.asyncio import Redis
from silent_proxy import SilentProxy, database_socket_of, database_url_by, silent_proxy

from shared.domain.job.attempts import ReportProgress, Worked
from shared.domain.job.jobs import AttemptOutcome
from shared.domain.job.leases import ClaimedJob
from shared.storage import database as storage
from shared.storage.database import Database, create_engine
from shared.storage.errors import StorageUnavailableError

POOL_SIZE = 3
WAIT_SECONDS = 30


@pytest.fixture
async def proxy(database_url: str) -> AsyncIterator[SilentProxy]:
    async with silent_proxy(database_socket_of(database_url)) as proxy:
        yield proxy


@pytest.fixture
async def proxied(
    database: Database, proxy: SilentProxy, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Database]:
    """The database through the proxy, all connections of its pool open, the pulse's as well."""
    monkeypatch.setattr(storage, "CLOSE_SECONDS", 0.1)
    url = database_url_by(proxy, database_url)
    pulse = create_engine(url, pool_size=1, name="silent pulse")
    proxied = Database(create_engine(url, pool_size=POOL_SIZE, name="silent"), pulse_engine=pulse)
    async with AsyncExitStack() as stack:
        works = [await stack.enter_async_context(proxied.transaction()) for _ in range(POOL_SIZE)]
        works.append(await stack.enter_async_context(proxied.transaction(is_pulse=True)))
        for work in works:
            await work.run("select 1")
    yield proxied
    await proxied.close()


async def ask(database: Database) -> None:
    async with database.transaction() as work:
        await work.run("select 1")


async def test_renewing_breaks_off_what_waits_and_lets_the_next_pass(proxied: Database, proxy: SilentProxy) -> None:
    """All that waited is told at once that the database did not answer; nothing waits for a timeout of its own."""
    proxy.silence()
    began_at = time.monotonic()
    waiting = [asyncio.create_task(ask(proxied)) for _ in range(POOL_SIZE)]
    async with proxied.transaction(is_pulse=True):
        pass
    await asyncio.sleep(0)
    proxied.renew_connections()
    errors = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), WAIT_SECONDS)
    assert [type(error) for error in errors] == [StorageUnavailableError] * POOL_SIZE
    await asyncio.wait_for(asyncio.gather(*(ask(proxied) for _ in range(2 * POOL_SIZE))), WAIT_SECONDS)
    assert time.monotonic() - began_at < storage.COMMAND_TIMEOUT_SECONDS / 2


async def test_one_statement_that_timed_out_lets_the_whole_pool_be_made_anew(
    database: Database, proxy: SilentProxy, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a heartbeat, too, the others are not found out one after the other."""
    monkeypatch.setattr(storage, "COMMAND_TIMEOUT_SECONDS", 0.5)
    proxied = Database(create_engine(database_url_by(proxy, database_url), pool_size=POOL_SIZE, name="silent"))
    await asyncio.gather(*(ask(proxied) for _ in range(POOL_SIZE)))
    proxy.silence()
    with pytest.raises(StorageUnavailableError):
        await asyncio.wait_for(ask(proxied), WAIT_SECONDS)
    await asyncio.wait_for(asyncio.gather(*(ask(proxied) for _ in range(POOL_SIZE))), WAIT_SECONDS)
    await proxied.close()


async def test_a_heartbeat_finds_the_silence_and_the_job_goes_on(
    proxied: Database, proxy: SilentProxy, redis: Redis
) -> None:
    """A job that ran meanwhile keeps its lease and is recorded once, long before any statement times out."""
    bench = Bench(proxied, redis, lease=timedelta(seconds=3))
    job = await bench.submitted()
    started, silent = asyncio.Event(), asyncio.Event()

    async def work(_: ClaimedJob, report: ReportProgress) -> Worked:
        started.set()
        await silent.wait()
        return Worked(result={})

    execution, leases = bench.worker(work)
    beating = asyncio.create_task(leases.run())
    running = asyncio.create_task(execution.run(ring_of(job)))
    await asyncio.wait_for(started.wait(), WAIT_SECONDS)
    proxy.silence()
    began_at = time.monotonic()
    silent.set()
    assert await asyncio.wait_for(running, WAIT_SECONDS) is AttemptOutcome.SUCCEEDED
    assert time.monotonic() - began_at < storage.COMMAND_TIMEOUT_SECONDS / 2
    assert await bench.outcomes(job.job_id) == ["succeeded"]
    beating.cancel()
    await execution.drain()


async def test_the_server_does_not_wait_long_for_us_either(database: Database) -> None:
    """A process that was stopped, or cut off, in the middle of a transaction keeps its rows locked for ten seconds."""
    async with database.transaction() as work:
        (row,) = await work.fetch("show idle_in_transaction_session_timeout")
    assert row.idle_in_transaction_session_timeout == "10s"
