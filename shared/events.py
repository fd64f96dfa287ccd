"""The only home of pub/sub: what happened to jobs, and what was ordered, is told to every process that listens."""

import asyncio
import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from uuid import UUID

import msgspec
import structlog
from redis.asyncio import Redis

from shared.broker import REDIS_AWAY
from shared.domain.job.jobs import JobState
from shared.domain.job.leases import JobChange

JOB_CHANNEL = "tocsin:events:jobs"
ORDER_CHANNEL = "tocsin:events:orders"
PUBLISH_TIMEOUT_SECONDS = 2.0
RECONNECT_SECONDS = 0.5

MAX_PENDING = 100_000
"""How many changes wait to be told at most, while Redis is slow; what is beyond it is found by reading."""

SILENCE_SECONDS = 10.0
"""A subscription that hears nothing for this long asks whether it still stands, and for as long again for an answer."""

_log = structlog.get_logger()


class JobEvents:
    """Tells and hears changes of jobs; a hint, never the truth: who hears it reads the row."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._pending: list[JobChange] = []
        self._publisher: asyncio.Task[None] | None = None

    async def publish(self, changes: Sequence[JobChange]) -> None:
        """Tell the changes in one message; while Redis is away nobody hears them, and readers find them by reading."""
        if changes:
            body = [(str(change.job_id), change.version, change.state.value) for change in changes]
            await _publish(self._redis, JOB_CHANNEL, body)

    def publish_soon(self, changes: Sequence[JobChange]) -> None:
        """Tell the changes without waiting, together those that come together; beyond the bound they are lost."""
        if len(self._pending) + len(changes) > MAX_PENDING:
            return
        self._pending.extend(changes)
        if self._publisher is None and self._pending:
            self._publisher = asyncio.create_task(self._publish_pending())

    async def drain(self) -> None:
        """Wait until what is pending has been told or given up."""
        while self._publisher is not None:
            await asyncio.shield(self._publisher)

    async def _publish_pending(self) -> None:
        try:
            while self._pending:
                changes, self._pending = self._pending[:1000], self._pending[1000:]
                await self.publish(changes)
        finally:
            self._publisher = None

    async def listen(self, heard: Callable[[JobChange], None], *, reconnected: Callable[[], None]) -> None:
        """Call `heard` for each change until cancelled.

        `reconnected` is called whenever the subscription stands anew, because changes may have been missed before.
        """

        def hear(changes: Any) -> None:  # noqa: ANN401 - JSON is any value
            for job_id, version, state in changes:
                heard(JobChange(job_id=UUID(job_id), version=version, state=JobState(state)))

        await _listen(self._redis, JOB_CHANNEL, hear, reconnected=reconnected)


class Orders:
    """Tells workers that something was ordered, of a job they run or of themselves; a hint, the order is in the rows.

    One that is lost costs time only: the next heartbeat brings it.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def publish(self, ids: Iterable[UUID | str]) -> None:
        """Tell whoever runs these jobs, or is a worker of these ids, to look; call it after the commit."""
        body = [str(each) for each in ids]
        if body:
            await _publish(self._redis, ORDER_CHANNEL, body)

    async def listen(
        self, heard: Callable[[frozenset[str]], None], *, reconnected: Callable[[], None] = lambda: None
    ) -> None:
        """Call `heard` with the ids of each message until cancelled, `reconnected` when some may have been missed."""
        await _listen(self._redis, ORDER_CHANNEL, lambda ids: heard(frozenset(ids)), reconnected=reconnected)


async def _publish(redis: Redis, channel: str, body: object) -> None:
    try:
        async with asyncio.timeout(PUBLISH_TIMEOUT_SECONDS):
            await redis.publish(channel, msgspec.json.encode(body))
    except REDIS_AWAY as error:
        _log.debug("events_not_published", channel=channel, error=repr(error))


async def _listen(redis: Redis, channel: str, heard: Callable[[Any], None], *, reconnected: Callable[[], None]) -> None:
    while True:
        try:
            await _listen_once(redis, channel, heard, reconnected)
        except REDIS_AWAY as error:
            _log.debug("events_reconnecting", channel=channel, error=repr(error))
        await asyncio.sleep(RECONNECT_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311 - spreads reconnects


async def _listen_once(
    redis: Redis, channel: str, heard: Callable[[Any], None], reconnected: Callable[[], None]
) -> None:
    is_asked = False
    async with redis.pubsub() as subscription:
        await subscription.subscribe(channel)
        while True:
            message: dict[str, Any] | None = await subscription.get_message(timeout=SILENCE_SECONDS)
            if message is None:
                if is_asked:
                    raise TimeoutError("the subscription is silent")
                await subscription.ping()
            elif message["type"] == "subscribe":
                reconnected()
            elif message["type"] == "message":
                _hear(heard, message["data"])
            is_asked = message is None


def _hear(heard: Callable[[Any], None], body: bytes) -> None:
    """Pass a message on; one that is not ours, or of a later version, must not make this process deaf."""
    try:
        heard(msgspec.json.decode(body))
    except (ValueError, TypeError) as error:
        _log.warning("event_not_understood", error=repr(error))
