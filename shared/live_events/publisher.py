"""Telling what happens, without ever making it wait."""

import asyncio
from collections.abc import Iterable

import structlog
from redis.asyncio import Redis

from shared.broker import REDIS_AWAY
from shared.domain.live import LiveEvent
from shared.live_events.wire import FIELD, STREAM, encode_batch
from shared.tasks import end_tasks

MAX_PENDING = 20_000
"""Events that wait to be told at most, while Redis is slow; what is beyond it is counted as lost, and that is told."""

MAX_BATCH = 100
"""Events in one entry of the stream."""

MAX_ENTRIES = 10_000
"""Entries the stream keeps for who comes back, roughly: 40 MB in Redis if all of them are full."""

PACE_SECONDS = 0.05
"""The least time between two round trips of one process: the first event after a quiet time is told at once."""

PUBLISH_TIMEOUT_SECONDS = 2.0
RETRY_SECONDS = 1.0
MAX_RETRIES = 300
"""How long it is tried to tell that events were lost; after that the next event to be told tells it."""

TASK_NAME = "live events"

_log = structlog.get_logger()


class LiveEvents:
    """Tells events to all who watch; a hint, never the truth. One per process."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._pending: list[LiveEvent] = []
        self._lost = 0
        self._publisher: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()

    def publish_soon(self, events: Iterable[LiveEvent]) -> None:
        """Tell the events in the background, in their order; beyond the bound it is told that some were lost."""
        self._pending.extend(events)
        if len(self._pending) > MAX_PENDING:
            self._lost += len(self._pending) - MAX_PENDING
            del self._pending[MAX_PENDING:]
        if self._pending and self._publisher is None:
            self._publisher = asyncio.create_task(self._run(), name=TASK_NAME)

    async def drain(self) -> None:
        """Tell what is pending now; what cannot be told is given up."""
        await self._publish_pending()

    async def close(self) -> None:
        """Tell what is pending, and nothing any more."""
        await self.drain()
        if self._publisher is not None:
            await end_tasks([self._publisher])

    async def _run(self) -> None:
        retries = 0
        try:
            while retries <= MAX_RETRIES:
                is_told = await self._publish_pending()
                retries = 0 if is_told else retries + 1
                await asyncio.sleep(PACE_SECONDS if is_told else RETRY_SECONDS)
                if not self._pending and not self._lost:
                    break
        finally:
            self._publisher = None

    async def _publish_pending(self) -> bool:
        """Tell all that is pending in one round trip, or count it as lost; whether nothing was."""
        async with self._turn:
            events, self._pending = self._pending, []
            lost, self._lost = self._lost, 0
            if not events and not lost:
                return True
            try:
                async with asyncio.timeout(PUBLISH_TIMEOUT_SECONDS):
                    await self._add(events, lost)
            except REDIS_AWAY as error:
                self._lost += len(events) + lost
                # Of an error in a pipeline the text would be the whole command.
                _log.debug("live_events_lost", count=len(events), error=type(error).__name__)
                return False
            return True

    async def _add(self, events: list[LiveEvent], lost: int) -> None:
        pipeline = self._redis.pipeline(transaction=False)
        for start in range(0, max(len(events), 1), MAX_BATCH):
            body = encode_batch(events[start : start + MAX_BATCH], lost=lost if start == 0 else 0)
            pipeline.xadd(STREAM, {FIELD: body}, maxlen=MAX_ENTRIES, approximate=True)
        await pipeline.execute()
