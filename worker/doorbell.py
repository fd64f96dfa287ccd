"""ARQ's worker with its poll step replaced: whatever leans on ARQ's private parts stands here, and a test guards it.

Stock ARQ leaves running ids at the head of its queue and polls them, four commands each, twice a second; a fleet
stalls at the read limit and storms Redis. Here a script takes due rings and their payloads *out* of the queue in one
round trip, an idle worker sleeps on a list until it is woken, and nothing is written to Redis when a job ends: the
lease is in PostgreSQL, and what dies in between is rung again by upkeep. The queue's format stays ARQ's own, so a
stock `arq.Worker` with the same functions can stand in.
"""

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, cast

import structlog
from arq.connections import ArqRedis
from arq.constants import job_key_prefix
from arq.jobs import DeserializationError, deserialize_job_raw
from arq.worker import Function, Worker

from shared.broker import REDIS_AWAY, decode_ring, encode_ring
from shared.task_queue import wake_key

_log = structlog.get_logger()

IDLE_SECONDS = 4
"""How long an idle worker sleeps when no token wakes it; below the connection's socket timeout, or the wait fails."""

HAND_BACK_SECONDS = 10.0
"""How long a stopped worker may take to write down that it hands its jobs back; leases are what is left after it."""

SLEEPS_PER_LOOK = 3
"""A worker that slept so often without being woken looks into the queue: the token may have got lost."""

RECONNECT_SECONDS = 0.5

SATURATED_SECONDS = 0.05
"""How often a worker that has more than it can do looks whether it may take rings again."""

# Nothing is ever put into the queue before it is due (PostgreSQL keeps what is due later), so scores only say who goes
# first (when it was due, less its priority's head start), and no producer's skewed clock can delay a job.
_TAKE = """
local ids = redis.call('ZPOPMIN', KEYS[1], ARGV[1])
local taken = {}
for i = 1, #ids, 2 do
    local key = ARGV[2] .. ids[i]
    taken[#taken + 1] = ids[i]
    taken[#taken + 1] = redis.call('GET', key)
    redis.call('UNLINK', key)
end
return taken
"""


class DoorbellWorker(Worker):
    """An ARQ worker for one queue that is woken instead of polling, and survives Redis going away.

    `functions` are ARQ functions; `slots` is how many rings are answered at once.
    """

    def __init__(
        self, functions: Sequence[Function], redis: ArqRedis, *, queue: str, slots: int, context: dict[str, Any]
    ) -> None:
        super().__init__(
            functions=functions,
            redis_pool=redis,
            queue_name=queue,
            max_jobs=slots,
            ctx=context,
            handle_signals=False,
            keep_result=0,
            max_tries=1,
            retry_jobs=False,
            poll_delay=0,
            job_serializer=encode_ring,
            job_deserializer=decode_ring,
            log_results=False,
        )
        self._take_script = redis.register_script(_TAKE)
        self._sleep: asyncio.Future[Any] | None = None
        self._was_woken = False
        self._gate = asyncio.Event()
        self._gate.set()
        self._hurried = asyncio.Event()
        self._is_saturated: Callable[[], bool] = bool

    async def serve(self) -> None:
        """Answer rings until `quiet`; a Redis that goes away is waited for."""
        while self.allow_pick_jobs:
            if not self._gate.is_set():
                await self._gate.wait()
                continue
            try:
                await self._poll_iteration()
            except REDIS_AWAY as error:
                _log.warning("queue_unreachable", queue=self.queue_name, error=repr(error))
                # The others that lie idle may have fallen silent with this one; made anew they cost a millisecond.
                await self.pool.connection_pool.disconnect(inuse_connections=False)
                await asyncio.sleep(RECONNECT_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311 - spreads reconnects

    def hold_while(self, is_saturated: Callable[[], bool]) -> None:
        """Leave rings in the queue, for others or to be seen waiting, while what was taken is not done."""
        self._is_saturated = is_saturated

    def pause(self) -> None:
        """Take no more rings until `resume`; those taken already are answered."""
        self._gate.clear()
        self._wake()

    def resume(self) -> None:
        """Take rings again."""
        self._gate.set()

    def quiet(self) -> None:
        """Take no more rings for good; those being answered go on, and `serve` returns."""
        self.allow_pick_jobs = False
        self._gate.set()
        self._wake()

    def hurry(self) -> None:
        """Let `finish` wait no longer."""
        self._hurried.set()

    async def finish(self, *, within_seconds: float) -> None:
        """Wait for the rings being answered, then cancel what is left, which hands its jobs back."""
        running = [task for task in self.tasks.values() if not task.done()]
        if not running:
            return
        waits = [asyncio.ensure_future(asyncio.wait(running)), asyncio.ensure_future(self._hurried.wait())]
        await asyncio.wait(waits, timeout=within_seconds, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        late = [task for task in running if not task.done()]
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=HAND_BACK_SECONDS)

    async def _poll_iteration(self) -> None:
        """Take as many rings as there are free slots, or sleep until there is something to do."""
        if self._is_saturated():
            await self._wake_next()
            await self._sleep_on(asyncio.sleep(SATURATED_SECONDS))
            return
        free = self.max_jobs - len(self.tasks)
        if free <= 0:
            await self._sleep_on(asyncio.wait(self.tasks.values(), return_when=asyncio.FIRST_COMPLETED))
            return
        taken = await self._take(free)
        for ring_id, payload in taken:
            self._start(ring_id, payload)
        if not taken:
            await self._wait_for_ring()
        elif len(taken) == free:
            await self._wake_next()
        self._was_woken = self._was_woken and not taken

    async def _wake_next(self) -> None:
        """Tokens are fewer than rings: who was woken and cannot take more wakes the next one."""
        if self._was_woken:
            self._was_woken = False
            await cast("Awaitable[int]", self.pool.lpush(wake_key(self.queue_name), "1"))

    async def _take(self, count: int) -> list[tuple[str, bytes | None]]:
        answer = await self._take_script(keys=[self.queue_name], args=[count, job_key_prefix])
        pairs = cast("list[bytes | None]", answer)
        ids = [cast("bytes", ring_id).decode() for ring_id in pairs[::2]]
        return list(zip(ids, pairs[1::2], strict=True))

    async def _wait_for_ring(self) -> None:
        """Sleep until a token wakes, or a ring is seen whose token got lost."""
        for sleeps in itertools.count(1):
            if not self.allow_pick_jobs or not self._gate.is_set():
                return
            blpop = cast("Awaitable[Any]", self.pool.blpop([wake_key(self.queue_name)], timeout=IDLE_SECONDS))
            self._was_woken = bool(await self._sleep_on(blpop))
            if self._was_woken or (sleeps % SLEEPS_PER_LOOK == 0 and await self.pool.zcard(self.queue_name)):
                return

    async def _sleep_on(self, waking: Awaitable[Any]) -> Any:  # noqa: ANN401 - whatever wakes
        """Wait until it wakes, or until this worker is told to take nothing more; the answer is None then."""
        self._sleep = asyncio.ensure_future(waking)
        await asyncio.wait([self._sleep])
        return None if self._sleep.cancelled() else self._sleep.result()

    def _wake(self) -> None:
        if self._sleep is not None:
            self._sleep.cancel()

    def _start(self, ring_id: str, payload: bytes | None) -> None:
        """Start the ring's function; one that cannot be read or is unknown is dropped, its row is rung again.

        A ring that is being answered here is dropped too: upkeep may ring again for what is just being claimed, and the
        second answer would take the first one's place among the tasks that a stop waits for.
        """
        if ring_id in self.tasks:
            return
        try:
            name, args, kwargs, _, _ = deserialize_job_raw(payload or b"", deserializer=self.job_deserializer)
            function = self.functions[name]
        except (DeserializationError, KeyError) as error:
            self.jobs_failed += 1
            _log.warning("ring_dropped", ring_id=ring_id, queue=self.queue_name, error=repr(error))
            return
        answering = function.coroutine(self.ctx, *args, **kwargs)
        task = asyncio.get_running_loop().create_task(self._answer(ring_id, answering))
        self.tasks[ring_id] = task
        task.add_done_callback(lambda _: self.tasks.pop(ring_id, None))

    async def _answer(self, ring_id: str, answering: Any) -> None:  # noqa: ANN401 - ARQ's coroutine type is private
        try:
            with suppress(asyncio.CancelledError):
                await answering
            self.jobs_complete += 1
        except Exception:  # noqa: BLE001 - one ring's failure must not end the worker; its row is rung again
            self.jobs_failed += 1
            _log.exception("ring_failed", ring_id=ring_id, queue=self.queue_name)
