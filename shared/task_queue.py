"""The doorbell's outside: rings go to ARQ's queues in Redis, in ARQ's own format, many in one round trip."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from itertools import groupby
from time import time_ns

from arq.constants import job_key_prefix
from arq.jobs import serialize_job
from redis.asyncio import Redis

from shared.broker import REDIS_AWAY, SOCKET_TIMEOUT_SECONDS, encode_ring
from shared.domain.jobs import Ring

RUN_JOB = "run_job"
"""The name of the one ARQ function; its arguments are the job's id and the dispatch number."""

RING_TIMEOUT_SECONDS = 2.0
RING_KEPT_MS = 24 * 3600 * 1000
"""How long Redis keeps an unheard ring; the row outlives it and is rung again."""

MAX_WAKE_TOKENS = 16


def wake_key(queue: str) -> str:
    """The list on which an idle worker of `queue` waits for a token."""
    return f"{queue}:wake"


class TaskQueue:
    """Rings workers. Ringing twice is harmless: the dispatch's id is the queue's member."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def ring(self, rings: Sequence[Ring]) -> None:
        """Put the rings into their queues and wake as many idle workers.

        Raises:
            RedisError, OSError, TimeoutError: Redis is away; the rows stay and are rung again by upkeep.
        """
        now_ms = time_ns() // 1_000_000
        async with asyncio.timeout(RING_TIMEOUT_SECONDS), self._redis.pipeline(transaction=False) as pipe:
            for queue, members in groupby(sorted(rings, key=lambda ring: ring.queue), key=lambda ring: ring.queue):
                scores: dict[str, int] = {}
                for ring in members:
                    body = serialize_job(
                        RUN_JOB, (str(ring.job_id), ring.dispatch_no), {}, None, now_ms, serializer=encode_ring
                    )
                    pipe.psetex(job_key_prefix + ring.ring_id, RING_KEPT_MS, body)
                    scores[ring.ring_id] = now_ms
                # Without NX a waiting job that is rung again would lose its place.
                pipe.zadd(queue, scores, nx=True)
                pipe.lpush(wake_key(queue), *[b"1"] * min(len(scores), MAX_WAKE_TOKENS))
                pipe.ltrim(wake_key(queue), 0, MAX_WAKE_TOKENS - 1)
            await pipe.execute()

    async def missing(self, rings: Sequence[Ring]) -> list[Ring]:
        """Those of the rings that Redis does not know."""
        async with asyncio.timeout(SOCKET_TIMEOUT_SECONDS), self._redis.pipeline(transaction=False) as pipe:
            for ring in rings:
                pipe.zscore(ring.queue, ring.ring_id)
            scores = await pipe.execute()
        return [ring for ring, score in zip(rings, scores, strict=True) if score is None]


class Doorbell:
    """Rings in the background, after a commit; rings that come together share a round trip, a failure loses nothing."""

    def __init__(self, task_queue: TaskQueue, *, max_pending: int = 100_000) -> None:
        self._task_queue = task_queue
        self._max_pending = max_pending
        self._pending: list[Ring] = []
        self._ringer: asyncio.Task[None] | None = None

    def ring_soon(self, rings: Sequence[Ring]) -> None:
        """Ring without waiting; beyond the bound, and while Redis is away, upkeep's relay does it instead."""
        if len(self._pending) + len(rings) > self._max_pending:
            return
        self._pending.extend(rings)
        if self._ringer is None and self._pending:
            self._ringer = asyncio.create_task(self._run())

    async def drain(self) -> None:
        """Wait until what is pending has been rung or given to upkeep."""
        while self._ringer is not None:
            await asyncio.shield(self._ringer)

    async def _run(self) -> None:
        try:
            while self._pending:
                rings, self._pending = self._pending[:1000], self._pending[1000:]
                with suppress(*REDIS_AWAY):
                    await self._task_queue.ring(rings)
        finally:
            self._ringer = None
