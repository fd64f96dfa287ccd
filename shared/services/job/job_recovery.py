"""Upkeep of jobs, safe to run anywhere and twice: what is due is queued, what is late is ended or taken back."""

from datetime import datetime

import structlog

from shared.clock import Clock
from shared.domain.job.jobs import AttemptOutcome, Failure, JobState, Ring
from shared.domain.job.leases import (
    MAX_LOST_ATTEMPTS,
    ExpiredLease,
    JobChange,
    JobEnd,
    RescueReason,
    decide_rescue,
    next_ring,
    told_ends,
)
from shared.services.job.announcer import Announcer
from shared.storage.database import Database
from shared.storage.job.attempt_store import AttemptStore
from shared.storage.job.completion_store import CompletionStore
from shared.storage.job.dispatch_store import DispatchStore
from shared.storage.job.lease_store import LeaseStore

_log = structlog.get_logger()

BATCH = 500
SILENT = "the worker that ran this job fell silent"
CRASH_LOOP = f"{MAX_LOST_ATTEMPTS} workers that ran this job fell silent; it is not tried again"
EXPIRED = Failure("expired", "it was not started before its deadline")


class JobRecovery:
    """Moves jobs whose time has come, or whose worker is gone. Each duty answers how many jobs it moved."""

    def __init__(self, database: Database, announcer: Announcer, *, clock: Clock) -> None:
        self._database = database
        self._announcer = announcer
        self._clock = clock

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
            by_owner: dict[str, list[JobEnd]] = {}
            for lease in expired:
                by_owner.setdefault(lease.owner, []).append(_rescued(lease, now=now))
            ends = [end for owned in by_owner.values() for end in owned]
            changes = await leases.end_if_leased(ends) if ends else {}
            for owner, owned in by_owner.items():
                await AttemptStore(work).add(owned, owner=owner, accepted=changes)
            completions = await CompletionStore(work).add_for(told_ends(ends, changes))
        self._announce(ends, list(changes.values()), completions)
        return len(ends)

    async def expire(self) -> int:
        """End the jobs that still wait though their deadline has passed."""
        async with self._database.transaction() as work:
            changes = await DispatchStore(work).expire_due(limit=BATCH, error=EXPIRED)
            completions = await CompletionStore(work).add_for([change.job_id for change in changes])
        self._announcer.announce(changes, completions)
        return len(changes)

    def _announce(self, ends: list[JobEnd], changes: list[JobChange], completions: list[Ring]) -> None:
        queued = {change.job_id for change in changes if change.state is JobState.QUEUED}
        rescued = [end.claimed for end in ends if end.claimed.job_id in queued]
        self._announcer.announce(changes, [next_ring(job) for job in rescued] + completions)
        if ends:
            _log.warning("jobs_rescued", queued=len(rescued), ended=len(ends) - len(rescued))


def _rescued(lease: ExpiredLease, *, now: datetime) -> JobEnd:
    decision = decide_rescue(
        attempt=lease.claimed.attempt,
        max_attempts=lease.claimed.max_attempts,
        lost_attempts=lease.lost_attempts + 1,
        is_cancel_requested=lease.is_cancel_requested,
    )
    is_poison = decision.reason is RescueReason.CRASH_LOOP
    return JobEnd(
        claimed=lease.claimed,
        state=decision.state,
        outcome=AttemptOutcome.LOST,
        finished_at=now,
        failure=Failure(decision.reason.value, CRASH_LOOP if is_poison else SILENT),
    )
