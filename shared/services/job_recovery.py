"""Upkeep of the queue, safe to run anywhere and twice: relay, promote, reconcile, rescue."""

from datetime import datetime, timedelta

import structlog

from shared.clock import Clock
from shared.domain.jobs import AttemptOutcome, Failure, JobState, Ring
from shared.domain.leases import ClaimedJob, JobChange, JobEnd, decide_rescue, next_ring
from shared.services.announcer import Announcer
from shared.storage.database import Database
from shared.storage.dispatch_store import DispatchStore
from shared.storage.idempotency_store import IdempotencyStore
from shared.storage.lease_store import LeaseStore
from shared.task_queue import TaskQueue

_log = structlog.get_logger()

BATCH = 500
RELAY_AFTER = timedelta(seconds=1)
"""A ring follows its commit within milliseconds; what is older and still waits may never have been rung."""
RECONCILE_AFTER = timedelta(seconds=30)


class JobRecovery:
    """Mends what a crash, a full buffer or a forgetful Redis left behind. Each duty answers how many jobs it moved."""

    def __init__(self, database: Database, task_queue: TaskQueue, announcer: Announcer, *, clock: Clock) -> None:
        self._database = database
        self._task_queue = task_queue
        self._announcer = announcer
        self._clock = clock

    async def relay(self, *, older_than: timedelta = RELAY_AFTER) -> int:
        """Ring for queued jobs whose ring was never confirmed, then confirm it.

        Ringing comes before confirming: a crash between the two rings once more, which is harmless.

        Raises:
            RedisError, OSError, TimeoutError: Redis is away; the rows wait for the next run.
        """
        async with self._database.transaction() as work:
            rings = await DispatchStore(work).list_unrung(older_than=older_than, limit=BATCH)
        return await self._ring_and_confirm(rings)

    async def reconcile(self, *, older_than: timedelta = RECONCILE_AFTER) -> int:
        """Ring again for queued jobs that were rung long ago and that Redis no longer knows.

        Raises:
            RedisError, OSError, TimeoutError: Redis is away; the rows wait for the next run.
        """
        async with self._database.transaction() as work:
            rings = await DispatchStore(work).list_rung(older_than=older_than, limit=BATCH)
        lost = await self._task_queue.missing(rings) if rings else []
        if lost:
            _log.warning("rings_lost", jobs=len(lost))
        await self._confirm([ring for ring in rings if ring not in lost])
        return await self._ring_and_confirm(lost)

    async def promote(self) -> int:
        """Queue the scheduled and retrying jobs that are due, and ring for them."""
        async with self._database.transaction() as work:
            rings, changes = await DispatchStore(work).promote_due(limit=BATCH)
        self._announcer.announce(changes, rings)
        return len(rings)

    async def rescue(self) -> int:
        """Take the jobs of vanished workers back: queue them again, or end those that are beyond help."""
        async with self._database.transaction() as work:
            leases = LeaseStore(work)
            expired = await leases.lock_expired(limit=BATCH)
            now = self._clock()
            ends = [(owner, _rescued(job, lost, is_cancel, now=now)) for job, owner, lost, is_cancel in expired]
            changes = await leases.end_if_leased([end for _, end in ends]) if ends else {}
            for owner, end in ends:
                await leases.add_attempts([end], owner=owner, accepted=changes)
        self._announce([end for _, end in ends], list(changes.values()))
        return len(ends)

    async def forget_keys(self) -> int:
        """Delete idempotency keys whose time is over."""
        async with self._database.transaction() as work:
            return await IdempotencyStore(work).delete_expired(limit=10 * BATCH)

    def _announce(self, ends: list[JobEnd], changes: list[JobChange]) -> None:
        queued = {change.job_id for change in changes if change.state is JobState.QUEUED}
        rescued = [end.claimed for end in ends if end.claimed.job_id in queued]
        self._announcer.announce(changes, [next_ring(job) for job in rescued])
        if ends:
            _log.warning("jobs_rescued", queued=len(rescued), ended=len(ends) - len(rescued))

    async def _ring_and_confirm(self, rings: list[Ring]) -> int:
        if rings:
            await self._task_queue.ring(rings)
            await self._confirm(rings)
        return len(rings)

    async def _confirm(self, rings: list[Ring]) -> None:
        if rings:
            async with self._database.transaction() as work:
                await DispatchStore(work).mark_rung(rings)


def _rescued(job: ClaimedJob, lost_attempts: int, is_cancel_requested: bool, *, now: datetime) -> JobEnd:  # noqa: FBT001
    decision = decide_rescue(
        attempt=job.attempt,
        max_attempts=job.max_attempts,
        lost_attempts=lost_attempts + 1,
        is_cancel_requested=is_cancel_requested,
    )
    return JobEnd(
        claimed=job,
        state=decision.state,
        outcome=AttemptOutcome.LOST,
        finished_at=now,
        failure=Failure(decision.reason.value, "the worker that ran this job fell silent"),
    )
