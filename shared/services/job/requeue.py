"""Running one ended job anew, and asking how many a filter would find."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from shared.domain.job.jobs import Job, JobKind
from shared.domain.job.requeue import RequeueChanges, RequeueFilter
from shared.services.job.announcer import Announcer
from shared.storage.database import Database
from shared.storage.job.job_store import JobStore
from shared.storage.job.requeue_store import Requeuer, RequeueStore
from shared.storage.sample.statistics_store import limited_reading

PATIENCE = timedelta(seconds=10)


class RequeueOutcome(StrEnum):
    """What came of asking for an ended job to run anew."""

    REQUEUED = "requeued"
    NOT_DONE = "not_done"
    ALREADY_REQUEUED = "already_requeued"
    """Another job runs it anew; that one can be requeued when it has ended."""
    IS_ROUND = "is_round"
    """Its slots are over, and told as missed where they were not collected."""
    NOT_FOUND = "not_found"


@dataclass(frozen=True, slots=True)
class RequeueAnswer:
    """What came of it; `job` is the new job, the one that was made earlier, or the one that has not ended."""

    outcome: RequeueOutcome
    job: Job | None


class Requeue:
    """Requeues. The ended job stays as it is; the new one names it as `requeue_of`."""

    def __init__(self, database: Database, announcer: Announcer) -> None:
        self._database = database
        self._announcer = announcer

    async def requeue(self, job_id: UUID, *, principal_id: str, changes: RequeueChanges) -> RequeueAnswer:
        """Make a new job of an ended one, at most once."""
        async with self._database.transaction() as work:
            store, jobs = RequeueStore(work), JobStore(work)
            made, rings = await store.requeue_ended([job_id], Requeuer(principal_id, changes))
            new_id = made[0].new_id if made else await store.find_successor(job_id)
            found = await jobs.find_jobs([job_id] if new_id is None else [new_id])
        self._announcer.announce([], rings)
        job = found.get(new_id or job_id)
        if made:
            return RequeueAnswer(RequeueOutcome.REQUEUED, job)
        if new_id is not None:
            return RequeueAnswer(RequeueOutcome.ALREADY_REQUEUED, job)
        if job and job.is_done and job.kind is JobKind.ROUND:
            return RequeueAnswer(RequeueOutcome.IS_ROUND, job)
        return RequeueAnswer(RequeueOutcome.NOT_DONE if job else RequeueOutcome.NOT_FOUND, job)

    async def count(self, wanted: RequeueFilter, *, at_most: int) -> int:
        """How many jobs the filter finds, counting no further than `at_most`.

        Raises:
            StatsTimeoutError: the database did not find them in time.
        """
        async with limited_reading(self._database, patience=PATIENCE) as work:
            return await RequeueStore(work).count_matching(wanted, at_most=at_most)
