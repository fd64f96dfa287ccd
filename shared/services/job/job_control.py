"""What people do to a job after submitting it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from shared.domain.job.jobs import Job, Ring
from shared.domain.job.leases import JobChange
from shared.events import Orders
from shared.services.job.announcer import Announcer
from shared.storage.database import Database
from shared.storage.job.completion_store import CompletionStore
from shared.storage.job.family_store import FamilyStore
from shared.storage.job.job_store import JobStore

BATCH = 1000
"""Descendants cancelled in one transaction."""


class CancelOutcome(StrEnum):
    """What came of asking for a job's end."""

    CANCELLED = "cancelled"
    REQUESTED = "requested"
    """The job is running; its worker is told at once, or with its next heartbeat."""
    ALREADY_DONE = "already_done"
    NOT_FOUND = "not_found"


@dataclass(frozen=True, slots=True)
class CancelAnswer:
    """What came of it, and the job as it stands now."""

    outcome: CancelOutcome
    job: Job | None


class JobControl:
    """Steers jobs."""

    def __init__(self, database: Database, announcer: Announcer, orders: Orders) -> None:
        self._database = database
        self._announcer = announcer
        self._orders = orders

    async def cancel(self, job_id: UUID, *, with_children: bool = False) -> CancelAnswer:
        """Cancel a waiting job at once; ask the worker of a running one to stop. Doing it twice changes nothing.

        `with_children` does the same to all that came of it; of an ended job there is then still something to cancel.
        """
        answer = await self._cancel_one(job_id)
        if not with_children or answer.job is None:
            return answer
        is_any = await self._cancel_descendants(job_id)
        if is_any and answer.outcome is CancelOutcome.ALREADY_DONE:
            return CancelAnswer(CancelOutcome.CANCELLED, answer.job)
        return answer

    async def _cancel_one(self, job_id: UUID) -> CancelAnswer:
        async with self._database.transaction() as work:
            store = JobStore(work)
            change = await store.cancel_if_live(job_id)
            job = (await store.find_jobs([job_id])).get(job_id)
            is_ended = change is not None and change.state.is_terminal
            rings = await CompletionStore(work).add_for([job_id]) if is_ended else []
        if change is None:
            return CancelAnswer(CancelOutcome.ALREADY_DONE if job else CancelOutcome.NOT_FOUND, job)
        await self._tell([change], rings)
        return CancelAnswer(CancelOutcome.CANCELLED if is_ended else CancelOutcome.REQUESTED, job)

    async def _cancel_descendants(self, job_id: UUID) -> bool:
        """Whether there was any; in transactions of a bounded size, so that a large family holds up nobody."""
        is_any = False
        while True:
            async with self._database.transaction() as work:
                changes = await FamilyStore(work).cancel_descendants(job_id, limit=BATCH)
                ended = [change.job_id for change in changes if change.state.is_terminal]
                rings = await CompletionStore(work).add_for(ended)
            await self._tell(changes, rings)
            is_any = is_any or bool(changes)
            if len(changes) < BATCH:
                return is_any

    async def _tell(self, changes: Sequence[JobChange], rings: Sequence[Ring]) -> None:
        self._announcer.announce(changes, rings)
        running = [change.job_id for change in changes if not change.state.is_terminal]
        if running:
            await self._orders.publish(running)
