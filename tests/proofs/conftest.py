"""What the proofs have in common: durable servers of their own, processes to kill, a witness."""

from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from job_bench import Bench
from proving import LEASE_SECONDS, StartVictim
from redis.asyncio import Redis

from chaos.ground import Ground, ground
from chaos.processes import Victim
from chaos.witness import Witness
from shared.settings import Settings
from shared.storage.database import Database, create_engine


@pytest.fixture(scope="session")
def own_ground() -> Iterator[Ground]:
    """Servers that a test may kill: durable, and nobody else's."""
    with ground() as made:
        yield made


@pytest.fixture(scope="session")
def victims_settings(own_ground: Ground) -> Settings:
    """What the killed processes run with."""
    return Settings(
        database_url=own_ground.urls.database_url,
        redis_url=own_ground.urls.redis_url,
        egress_loopback=True,
        lease_seconds=LEASE_SECONDS,
        log_level="info",
        log_format="json",
    )


@pytest.fixture
def start(tmp_path: Path) -> Iterator[StartVictim]:
    """Starts processes, all gone at the end."""
    victims: list[Victim] = []

    def start(name: str, target: Callable[..., None], *arguments: object) -> Victim:
        victim = Victim(name, target, *arguments, log=tmp_path / f"{len(victims)}-{name}.log")
        victims.append(victim)
        return victim

    yield start
    for victim in victims:
        victim.end()


@pytest.fixture
async def witness() -> AsyncIterator[Witness]:
    """The target of the jobs."""
    async with Witness().serve() as witness:
        yield witness


@pytest.fixture
async def bench(own_ground: Ground) -> AsyncIterator[Bench]:
    """The services over the servers that are killed."""
    database = Database(create_engine(own_ground.urls.database_url, pool_size=4, name="proofs"))
    redis = Redis.from_url(own_ground.urls.redis_url, socket_timeout=10)
    bench = Bench(database, redis, lease=timedelta(seconds=LEASE_SECONDS))
    yield bench
    await bench.submission.drain()
    await bench.events.drain()
    await database.close()
    await redis.aclose()
