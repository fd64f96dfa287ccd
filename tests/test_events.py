"""What is published reaches who listens, also after the connection had gone."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from arq.connections import ArqRedis
from redis.asyncio import Redis
from silent_proxy import SilentProxy, redis_socket_of, redis_url_by, silent_proxy

from shared import events
from shared.broker import connect_redis
from shared.domain.job.jobs import JobState
from shared.domain.job.leases import JobChange
from shared.events import JobEvents, Orders

WAIT_SECONDS = 20


class Ears:
    """Notes what is heard, and when a subscription stands."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[frozenset[str]] = asyncio.Queue()
        self.stands: asyncio.Queue[None] = asyncio.Queue()

    async def listen(self, redis: Redis) -> None:
        await Orders(redis).listen(self.heard.put_nowait, reconnected=lambda: self.stands.put_nowait(None))

    async def next(self) -> frozenset[str]:
        async with asyncio.timeout(WAIT_SECONDS):
            return await self.heard.get()

    async def subscribed(self) -> None:
        async with asyncio.timeout(WAIT_SECONDS):
            await self.stands.get()


@pytest.fixture
async def proxy(redis: Redis, redis_url: str) -> AsyncIterator[SilentProxy]:
    async with silent_proxy(redis_socket_of(redis_url)) as proxy:
        yield proxy


@pytest.fixture
async def client(proxy: SilentProxy, redis_url: str) -> AsyncIterator[ArqRedis]:
    client = connect_redis(redis_url_by(proxy, redis_url))
    yield client
    await client.aclose(close_connection_pool=True)


async def test_changes_that_cannot_be_told_do_not_pile_up(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound they are lost, and later ones are told again."""
    monkeypatch.setattr(events, "MAX_PENDING", 3)
    job_events = JobEvents(redis)
    first, lost, later = (JobChange(uuid4(), version, JobState.QUEUED) for version in (1, 2, 3))
    heard: asyncio.Queue[JobChange] = asyncio.Queue()
    stands = asyncio.Event()
    listening = asyncio.create_task(JobEvents(redis).listen(heard.put_nowait, reconnected=stands.set))
    async with asyncio.timeout(WAIT_SECONDS):
        await stands.wait()
        job_events.publish_soon([first] * 3)
        job_events.publish_soon([lost])
        await job_events.drain()
        job_events.publish_soon([later])
        assert [await heard.get() for _ in range(4)] == [first, first, first, later]
    listening.cancel()


async def test_a_message_that_is_not_ours_is_passed_over(redis: Redis) -> None:
    """Neither what is no JSON, nor another shape, nor a state of a later version ends the listening."""
    heard: asyncio.Queue[JobChange] = asyncio.Queue()
    stands = asyncio.Event()
    listening = asyncio.create_task(JobEvents(redis).listen(heard.put_nowait, reconnected=stands.set))
    change = JobChange(uuid4(), 1, JobState.QUEUED)
    async with asyncio.timeout(WAIT_SECONDS):
        await stands.wait()
        for foreign in ("hello", "7", "[7]", f'[["{uuid4()}", 1, "resting"]]'):
            await redis.publish(events.JOB_CHANNEL, foreign)
        await JobEvents(redis).publish([change])
        assert await heard.get() == change
    listening.cancel()


async def test_an_order_is_heard_by_every_listener(redis: Redis) -> None:
    """Ids of jobs and of workers go the same way, in one message."""
    first, second = Ears(), Ears()
    listening = [asyncio.create_task(ears.listen(redis)) for ears in (first, second)]
    await first.subscribed()
    await second.subscribed()
    job_id = uuid4()
    await Orders(redis).publish([job_id, "host:1:abc"])
    assert await first.next() == await second.next() == {str(job_id), "host:1:abc"}
    for task in listening:
        task.cancel()


async def test_a_subscription_that_fell_silent_is_made_anew(
    redis: Redis, client: ArqRedis, proxy: SilentProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing closes the connection and nothing comes: asked without an answer, it is given up and made again."""
    monkeypatch.setattr(events, "SILENCE_SECONDS", 0.1)
    ears = Ears()
    listening = asyncio.create_task(ears.listen(client))
    await ears.subscribed()
    proxy.silence()
    await ears.subscribed()
    await Orders(redis).publish(["after"])
    assert await ears.next() == {"after"}
    listening.cancel()


async def test_a_subscription_that_is_only_idle_stays(
    redis: Redis, client: ArqRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked, it answers, as often as it is asked; nobody is told of a reconnect."""
    monkeypatch.setattr(events, "SILENCE_SECONDS", 0.05)
    ears = Ears()
    listening = asyncio.create_task(ears.listen(client))
    await ears.subscribed()
    asked = await pings(redis)
    async with asyncio.timeout(WAIT_SECONDS):
        while await pings(redis) < asked + 4:
            pass  # Asking lets the others run.
    assert ears.stands.empty()
    listening.cancel()


async def pings(redis: Redis) -> int:
    """How often Valkey was asked whether it is there."""
    counted = await redis.info("commandstats")
    return int(counted.get("cmdstat_ping", {"calls": 0})["calls"])
