"""What people do to a job after submitting it."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from shared.domain.jobs import Job
from shared.events import JobEvents, Orders
from shared.storage.database import Database
from shared.storage.job_store import JobStore


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

    def __init__(self, database: Database, events: JobEvents, orders: Orders) -> None:
        self._database = database
        self._events = events
        self._orders = orders

    async def cancel(self, job_id: UUID) -> CancelAnswer:
        """Cancel a waiting job at once; ask the worker of a running one to stop. Doing it twice changes nothing."""
        async with self._database.transaction() as work:
            store = JobStore(work)
            cancelled = await store.mark_cancelled_if_waiting(job_id)
            requested = None if cancelled else await store.mark_cancel_requested_if_running(job_id)
            job = (await store.find_jobs([job_id])).get(job_id)
        await self._events.publish([change for change in (cancelled, requested) if change])
        if cancelled:
            return CancelAnswer(CancelOutcome.CANCELLED, job)
        if requested:
            await self._orders.publish([job_id])
            return CancelAnswer(CancelOutcome.REQUESTED, job)
        return CancelAnswer(CancelOutcome.ALREADY_DONE if job else CancelOutcome.NOT_FOUND, job)
