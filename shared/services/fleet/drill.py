"""The drill: stages losses on a queue of nobody's and sees how long the repair takes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from uuid import uuid4

from arq.constants import job_key_prefix
from redis.asyncio import Redis

from shared.broker import REDIS_AWAY
from shared.clock import Clock
from shared.domain.fleet.drill import DrillCase, DrillResult
from shared.domain.job.jobs import AttemptOutcome, JobState, Ring
from shared.domain.job.leases import ClaimedJob, JobEnd
from shared.services.job.job_recovery import JobRecovery
from shared.services.job.ring_repair import RingRepair
from shared.storage.database import Database
from shared.storage.errors import StorageUnavailableError
from shared.storage.job.attempt_store import AttemptStore
from shared.storage.job.drill_store import LEFT_FOR, PRINCIPAL, DrillStore
from shared.storage.job.lease_store import LeaseStore
from shared.task_queue import TaskQueue, wake_key
from shared.tasks import end_tasks

QUEUE_PREFIX = "tocsin:drill:"
JOBS = 20
"""How many jobs are staged where one would not show much."""
LEASE = timedelta(seconds=1)
PATIENCE_SECONDS = 60.0
"""How long a repair may take before the case has failed; upkeep promises some ten seconds."""
LOOK_SECONDS = 0.05
DUTY_SECONDS = 0.5
REMOVALS = 5
SETTLE_SECONDS = 0.5
"""Upkeep that read a row before it was removed has rung for it by then."""


class Drill:
    """One drill; what it staged is removed when it ends, however it ends."""

    def __init__(
        self, database: Database, redis: Redis, *, repair: RingRepair, recovery: JobRecovery, clock: Clock
    ) -> None:
        self._database = database
        self._redis = redis
        self._task_queue = TaskQueue(redis)
        self._repair = repair
        self._recovery = recovery
        self._clock = clock
        self.queue = f"{QUEUE_PREFIX}{uuid4().hex}"
        self._planted: list[Ring] = []

    async def run(self, *, with_own_upkeep: bool) -> list[DrillResult]:
        """Stage all cases at once. Without workers there is nobody to repair: the drill then does upkeep itself.

        Raises:
            StorageUnavailableError, RedisError, OSError, TimeoutError: a server went away meanwhile.
        """
        try:
            await self._mark_queue()
            async with self._upkeep() if with_own_upkeep else _nothing():
                return await self._stage_all()
        finally:
            removing = asyncio.create_task(self._remove())
            # Whatever cancels this once more, such as a second Ctrl-C, does not leave half of it there.
            while not removing.done():
                with suppress(asyncio.CancelledError):
                    await asyncio.wait([removing])
            await removing

    async def _stage_all(self) -> list[DrillResult]:
        vanished = asyncio.create_task(self._stage_vanished())
        others = [
            asyncio.create_task(stage)
            for stage in (self._stage_unrung(), self._stage_dropped(), self._stage_duplicate())
        ]
        try:
            unrung, dropped, duplicate = await asyncio.gather(*others)
            return [unrung, dropped, *await vanished, duplicate]
        finally:
            # None may go on ringing when what it rang for is removed.
            await end_tasks([vanished, *others])

    async def _mark_queue(self) -> None:
        """Keep the queue from ever being empty, so that it has a time to live, should the drill be killed."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.zadd(self.queue, {"drill": 0})
            pipe.expire(self.queue, LEFT_FOR)
            await pipe.execute()

    async def _stage_unrung(self) -> DrillResult:
        rings = await self._plant(JOBS, is_rung=False)
        return await self._timed(DrillCase.UNRUNG, lambda: self._are_rung(rings))

    async def _stage_dropped(self) -> DrillResult:
        rings = await self._plant(JOBS, is_rung=True)
        await self._task_queue.ring(rings)
        await self._task_queue.drop(self.queue, [ring.ring_id for ring in rings])
        return await self._timed(DrillCase.DROPPED, lambda: self._are_rung(rings))

    async def _stage_duplicate(self) -> DrillResult:
        [ring] = await self._plant(1, is_rung=True)
        put = await self._task_queue.ring([ring]) + await self._task_queue.ring([ring])
        claims = await asyncio.gather(self._claim(ring), self._claim(ring))
        winners = sum(claim is not None for claim in claims)
        message = "" if (put, winners) == (1, 1) else f"it stood {put} times in the queue, {winners} of 2 claimed it"
        return DrillResult(DrillCase.DUPLICATE, not message, 0.0, message)

    async def _stage_vanished(self) -> list[DrillResult]:
        [ring] = await self._plant(1, is_rung=True)
        claimed = await self._claim(ring)
        if claimed is None:
            return [DrillResult(DrillCase.VANISHED, has_held=False, seconds=0.0, message="the job was not claimed")]
        await asyncio.sleep(LEASE.total_seconds())
        again = Ring(ring.job_id, ring.dispatch_no + 1, ring.queue)
        rescued = await self._timed(DrillCase.VANISHED, lambda: self._are_rung([again]))
        return [rescued, await self._come_back(claimed)]

    async def _come_back(self, claimed: ClaimedJob) -> DrillResult:
        """Record a success under the lease that was lost."""
        end = JobEnd(claimed, JobState.SUCCEEDED, AttemptOutcome.SUCCEEDED, self._clock())
        async with self._database.transaction() as work:
            accepted = await LeaseStore(work).end_if_leased([end])
            await AttemptStore(work).add([end], owner=PRINCIPAL, accepted=accepted)
            job = await DrillStore(work).get(claimed.job_id)
            outcomes = {attempt.outcome for attempt in await AttemptStore(work).list_of(claimed.job_id)}
        has_held = not accepted and job.state is JobState.QUEUED and AttemptOutcome.FENCED in outcomes
        message = "" if has_held else f"the job is {job.state.value}, its attempts {', '.join(sorted(outcomes))}"
        return DrillResult(DrillCase.LATE, has_held, 0.0, message)

    async def _claim(self, ring: Ring) -> ClaimedJob | None:
        async with self._database.transaction() as work:
            claimed, _ = await LeaseStore(work).claim_queued([(ring, uuid4())], owner=PRINCIPAL, lease=LEASE)
        return claimed.get(ring.job_id)

    async def _timed(self, case: DrillCase, is_repaired: Callable[[], Awaitable[bool]]) -> DrillResult:
        loop = asyncio.get_running_loop()
        began_at = loop.time()
        while not await is_repaired():
            if loop.time() - began_at > PATIENCE_SECONDS:
                message = f"not repaired within {PATIENCE_SECONDS:.0f} s; look for `duty_failed` in the workers' logs"
                return DrillResult(case, has_held=False, seconds=loop.time() - began_at, message=message)
            await asyncio.sleep(LOOK_SECONDS)
        return DrillResult(case, has_held=True, seconds=loop.time() - began_at)

    async def _are_rung(self, rings: list[Ring]) -> bool:
        return not await self._task_queue.missing(rings)

    async def _plant(self, count: int, *, is_rung: bool) -> list[Ring]:
        async with self._database.transaction() as work:
            rings = await DrillStore(work).plant(self.queue, count, is_rung=is_rung)
            self._planted += rings
        return rings

    @asynccontextmanager
    async def _upkeep(self) -> AsyncIterator[None]:
        keeping = asyncio.create_task(self._keep())
        try:
            yield
        finally:
            await end_tasks([keeping])

    async def _keep(self) -> None:
        while True:
            for duty in (self._repair.relay, self._repair.reconcile, self._recovery.rescue):
                with suppress(StorageUnavailableError, *REDIS_AWAY):
                    await duty()
            await asyncio.sleep(DUTY_SECONDS)

    async def _remove(self) -> None:
        async with self._database.transaction() as work:
            await DrillStore(work).remove([ring.job_id for ring in self._planted])
        keys = [f"{job_key_prefix}{ring.job_id}:{number}" for ring in self._planted for number in (1, 2)]
        is_empty = False
        for _ in range(REMOVALS):
            await asyncio.sleep(SETTLE_SECONDS)
            # A ring that was under way may come after its removal, and so may another one after that.
            was_empty, is_empty = is_empty, not await self._redis.unlink(self.queue, wake_key(self.queue), *keys)
            if was_empty and is_empty:
                return


@asynccontextmanager
async def _nothing() -> AsyncIterator[None]:
    yield
