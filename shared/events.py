"""The only home of pub/sub: what happened to jobs is told to every process that listens."""

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import msgspec
import structlog
from redis.asyncio import Redis

from shared.broker import REDIS_AWAY
from shared.domain.jobs import JobState
from shared.domain.leases import JobChange

JOB_CHANNEL = "tocsin:events:jobs"
PUBLISH_TIMEOUT_SECONDS = 2.0
RECONNECT_SECONDS = 0.5

_log = structlog.get_logger()


class JobEvents:
    """Tells and hears changes of jobs; a hint, never the truth: who hears it reads the row."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._pending: list[JobChange] = []
        self._publisher: asyncio.Task[None] | None = None

    async def publish(self, changes: Sequence[JobChange]) -> None:
        """Tell the changes in one message; while Redis is away nobody hears them, and readers find them by reading."""
        if not changes:
            return
        body = msgspec.json.encode([(str(change.job_id), change.version, change.state.value) for change in changes])
        try:
            async with asyncio.timeout(PUBLISH_TIMEOUT_SECONDS):
                await self._redis.publish(JOB_CHANNEL, body)
        except REDIS_AWAY as error:
            _log.debug("job_events_not_published", error=repr(error))

    def publish_soon(self, changes: Sequence[JobChange]) -> None:
        """Tell the changes without waiting; those that come together share a message."""
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
        while True:
            try:
                await self._listen_once(heard, reconnected)
            except REDIS_AWAY as error:
                _log.debug("job_events_reconnecting", error=repr(error))
            await asyncio.sleep(RECONNECT_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311 - spreads reconnects

    async def _listen_once(self, heard: Callable[[JobChange], None], reconnected: Callable[[], None]) -> None:
        async with self._redis.pubsub() as subscription:
            await subscription.subscribe(JOB_CHANNEL)
            while True:
                message: dict[str, Any] | None = await subscription.get_message(timeout=1.0)
                if message is None:
                    continue
                if message["type"] == "subscribe":
                    reconnected()
                elif message["type"] == "message":
                    for job_id, version, state in msgspec.json.decode(message["data"]):
                        heard(JobChange(job_id=UUID(job_id), version=version, state=JobState(state)))
