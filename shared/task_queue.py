"""The doorbell's outside: rings go to ARQ's queues in Redis, in ARQ's own format, many in one round trip."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from time import time_ns
from typing import cast

from arq.constants import job_key_prefix
from arq.jobs import serialize_job
from redis.asyncio import Redis

from shared.broker import REDIS_AWAY, encode_ring
from shared.domain.job.jobs import Ring

RUN_JOB = "run_job"
"""The name of the one ARQ function; its arguments are the job's id and the dispatch number."""

RING_TIMEOUT_SECONDS = 2.0
RING_KEPT_MS = 24 * 3600 * 1000
"""How long Redis keeps an unheard ring; the row outlives it and is rung again."""

MAX_WAKE_TOKENS = 16


# The payload stands before the queue names it, so that no worker takes a ring it cannot read. A ring that waits already
# keeps its place, and wakes again, since the worker that took its token may have died. Tokens that nobody waits for are
# kept few.
_RING = """
local rung = 0
for i = 4, #ARGV, 3 do
    redis.call('SET', ARGV[2] .. ARGV[i + 1], ARGV[i + 2], 'PX', ARGV[1])
    rung = rung + redis.call('ZADD', KEYS[1], 'NX', ARGV[i], ARGV[i + 1])
end
for _ = 1, math.min((#ARGV - 3) / 3, tonumber(ARGV[3])) do
    redis.call('LPUSH', KEYS[2], '1')
end
redis.call('LTRIM', KEYS[2], 0, ARGV[3] - 1)
return rung
"""


def wake_key(queue: str) -> str:
    """The list on which an idle worker of `queue` waits for a token."""
    return f"{queue}:wake"


class TaskQueue:
    """Rings workers. Ringing twice is harmless: the dispatch's id is the queue's member."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._ring_script = redis.register_script(_RING)

    async def ring(self, rings: Sequence[Ring]) -> int:
        """Put the rings into their queues and wake as many idle workers: one script, one round trip a queue.

        Answers how many of them did not wait there already.

        Raises:
            RedisError, OSError, TimeoutError: Redis is away; the rows stay and are rung again by upkeep.
        """
        async with asyncio.timeout(RING_TIMEOUT_SECONDS):
            return sum([await self._ring_queue(queue, members) for queue, members in _by_queue(rings).items()])

    async def _ring_queue(self, queue: str, rings: Sequence[Ring]) -> int:
        now_ms = time_ns() // 1_000_000
        args: list[str | bytes | int] = [RING_KEPT_MS, job_key_prefix, MAX_WAKE_TOKENS]
        for ring in rings:
            job_id = str(ring.job_id)
            args.append(ring.rank_ms)
            args.append(f"{job_id}:{ring.dispatch_no}")
            args.append(serialize_job(RUN_JOB, (job_id, ring.dispatch_no), {}, None, now_ms, serializer=encode_ring))
        return cast("int", await self._ring_script(keys=[queue, wake_key(queue)], args=args))

    async def missing(self, rings: Sequence[Ring]) -> list[Ring]:
        """Those of the rings that Redis does not know: one command a queue.

        Raises:
            RedisError, OSError, TimeoutError: Redis is away.
        """
        missing: list[Ring] = []
        for queue, members in _by_queue(rings).items():
            scores = await self._redis.zmscore(queue, [ring.ring_id for ring in members])
            missing += [ring for ring, score in zip(members, scores, strict=True) if score is None]
        return missing

    async def scan(self, queue: str, cursor: int, *, count: int) -> tuple[int, list[str]]:
        """About `count` ring ids of a queue from `cursor` on, and the cursor after them, 0 at the end.

        Raises:
            RedisError, OSError, TimeoutError: Redis is away.
        """
        cursor, members = await self._redis.zscan(queue, cursor, count=count)
        return cursor, [member.decode(errors="replace") for member, _ in members]

    async def drop(self, queue: str, ring_ids: Sequence[str]) -> int:
        """Take rings out of a queue; answer how many were there.

        Raises:
            RedisError, OSError, TimeoutError: Redis is away.
        """
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.zrem(queue, *ring_ids)
            pipe.unlink(*(job_key_prefix + ring_id for ring_id in ring_ids))
            taken, _ = await pipe.execute()
        return cast("int", taken)


def _by_queue(rings: Sequence[Ring]) -> dict[str, list[Ring]]:
    by_queue: dict[str, list[Ring]] = {}
    for ring in rings:
        by_queue.setdefault(ring.queue, []).append(ring)
    return by_queue


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
