"""Submitting jobs: idempotency key and job in one transaction shared by many, then the doorbell."""

from collections.abc import Sequence

from shared.clock import Clock
from shared.domain.job.jobs import JobState, Ring, rank_of
from shared.domain.job.steps import Step, StepHook, no_hook
from shared.domain.job.submissions import (
    Accepted,
    Idempotency,
    KeyReused,
    Submission,
    SubmissionResult,
)
from shared.services.job.job_intake import take_in
from shared.services.job.submission_telemetry import commit_span
from shared.storage.database import Database
from shared.storage.group_commit import BufferFullError, GroupCommit
from shared.storage.job.job_store import FIRST_DISPATCH
from shared.task_queue import Doorbell

# What its callers speak in comes with it.
__all__ = [
    "Accepted",
    "BatchRefusedError",
    "Idempotency",
    "JobSubmission",
    "KeyReused",
    "OverloadedError",
    "Submission",
    "SubmissionResult",
]


class OverloadedError(Exception):
    """More submissions wait for a commit than the bound; nothing was taken."""

    def __init__(self, *, retry_after_seconds: int) -> None:
        super().__init__("too many submissions wait for a commit")
        self.retry_after_seconds = retry_after_seconds


class BatchRefusedError(Exception):
    """One of a batch that is all or nothing was refused, and nothing was taken; `results` tells of each."""

    def __init__(self, results: Sequence[SubmissionResult]) -> None:
        super().__init__("one of the jobs was refused")
        self.results = results


class JobSubmission:
    """Takes jobs in; what arrives while a commit is in flight shares the next one."""

    def __init__(
        self,
        database: Database,
        doorbell: Doorbell,
        *,
        clock: Clock,
        max_pending: int,
        on_step: StepHook = no_hook,
    ) -> None:
        self._database = database
        self._doorbell = doorbell
        self._clock = clock
        self._on_step = on_step
        self._group = GroupCommit(self._flush, max_pending=max_pending)

    @property
    def pending(self) -> int:
        """How many submissions wait for a commit."""
        return self._group.pending

    async def submit(self, submission: Submission) -> SubmissionResult:
        """Take one job; when this returns it is committed.

        Raises:
            OverloadedError: the buffer is full, nothing was taken.
            StorageUnavailableError: the database is away, nothing is known to be taken.
        """
        try:
            return await self._group.submit(submission)
        except BufferFullError as error:
            raise OverloadedError(retry_after_seconds=1) from error

    async def submit_many(
        self, submissions: Sequence[Submission], *, is_atomic: bool = False
    ) -> list[SubmissionResult]:
        """Take up to a thousand jobs in one transaction: those that nothing forbids, or none when this raises.

        Raises:
            BatchRefusedError: `is_atomic`, and one of them was refused.
            StorageUnavailableError: the database is away, nothing is known to be taken.
        """
        return await self._flush(submissions, is_atomic=is_atomic)

    async def drain(self) -> None:
        """Wait until everything taken is committed and rung, for a clean stop."""
        await self._group.drain()
        await self._doorbell.drain()

    async def _flush(self, submissions: Sequence[Submission], *, is_atomic: bool = False) -> list[SubmissionResult]:
        now = self._clock()
        # Refusing a whole batch is no fault, for which the driver's own transaction would give up its connection.
        begun = self._database.transaction() if is_atomic else self._database.writing()
        with commit_span([s.job for s in submissions]):
            async with begun as work:
                results = await take_in(work, submissions, now=now)
                if is_atomic and not all(isinstance(result, Accepted) for result in results):
                    raise BatchRefusedError(results)
        self._on_step(Step.SUBMITTED)
        self._ring(results)
        return results

    def _ring(self, results: Sequence[SubmissionResult]) -> None:
        made = [r.job for r in results if isinstance(r, Accepted) and not (r.is_replayed or r.is_deduplicated)]
        self._doorbell.ring_soon(
            [
                Ring(job.job_id, FIRST_DISPATCH, job.queue, rank_of(job.run_at, job.priority))
                for job in made
                if job.state is JobState.QUEUED
            ]
        )
