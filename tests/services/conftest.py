"""The flows of jobs over clean servers."""

from collections.abc import AsyncIterator

import pytest
from client_fixtures import authority, ca_file, client, engine, loopback, resolver
from job_bench import Bench
from redis.asyncio import Redis

from shared.storage.database import Database

__all__ = ["authority", "ca_file", "client", "engine", "loopback", "resolver"]


@pytest.fixture
async def bench(database: Database, redis: Redis) -> AsyncIterator[Bench]:
    """The services over clean servers."""
    bench = Bench(database, redis)
    yield bench
    await bench.submission.drain()
    await bench.events.drain()
