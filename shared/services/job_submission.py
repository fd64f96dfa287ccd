"""Submitting jobs: idempotency key and job in one transaction shared by many, then the doorbell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec

from shared.clock import Clock
from shared.domain.jobs import Job, JobState, NewJob, Ring, rank_of
from shared.domain.steps import Step, StepHook, no_hook
from shared.services.submission_telemetry import commit_span
from shared.storage.database import Database, UnitOfWork
from shared.storage.group_commit import BufferFullError, GroupCommit
from shared.storage.idempotency_store import IdempotencyStore, KeyClaim
from shared.storage.job_store import FIRST_DISPATCH, QUEUE_OF, JobStore
from shared.task_queue import Doorbell


class OverloadedError(Exception):
    """More submissions wait for a commit than the bound; nothing was taken."""

    def __init__(self, *, retry_after_seconds: int) -> None:
        super().__init__("too many submissions wait for a commit")
        self.retry_after_seconds = retry_after_seconds


@dataclass(frozen=True, slots=True)
class Idempotency:
    """The key a client sent, and the SHA-256 of method, path and canonical body it sent it with."""

    key: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Submission:
    """A job to make, once per idempotency key."""

    job: NewJob
    idempotency: Idempotency | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The job stands in the database; `is_replayed` when an earlier request with the same key made it."""

    job: Job
    is_replayed: bool = False


@dataclass(frozen=True, slots=True)
class KeyReused:
    """The key stands for another request; nothing was made."""

    key: str


SubmissionResult = Accepted | KeyReused


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

    async def submit_many(self, submissions: Sequence[Submission]) -> list[SubmissionResult]:
        """Take up to a thousand jobs in one transaction: all of them, or none when this raises.

        Raises:
            StorageUnavailableError: the database is away, nothing is known to be taken.
        """
        return await self._flush(submissions)

    async def drain(self) -> None:
        """Wait until everything taken is committed and rung, for a clean stop."""
        await self._group.drain()
        await self._doorbell.drain()

    async def _flush(self, submissions: Sequence[Submission]) -> list[SubmissionResult]:
        now = self._clock()
        with commit_span([s.job for s in submissions]):
            async with self._database.transaction() as work:
                held = await self._claim_keys(work, submissions)
                fresh = [s for s in submissions if _holder(s, held) is None]
                await JobStore(work).insert([s.job for s in fresh], now=now)
                earlier = await JobStore(work).find_jobs([claim.job_id for claim in held.values()]) if held else {}
        self._on_step(Step.SUBMITTED)
        jobs = {s.job.job_id: Accepted(as_submitted(s.job, now=now)) for s in fresh}
        self._ring([accepted.job for accepted in jobs.values()])
        return [jobs.get(s.job.job_id) or _replay(s, _holder(s, held), earlier) for s in submissions]

    async def _claim_keys(self, work: UnitOfWork, submissions: Sequence[Submission]) -> dict[tuple[str, str], KeyClaim]:
        claims: dict[tuple[str, str], KeyClaim] = {}
        for s in submissions:
            if s.idempotency is not None:
                claim = KeyClaim(s.job.principal_id, s.idempotency.key, s.idempotency.fingerprint, s.job.job_id)
                claims.setdefault((claim.principal_id, claim.key), claim)
        return await IdempotencyStore(work).claim(list(claims.values())) if claims else {}

    def _ring(self, jobs: Sequence[Job]) -> None:
        self._doorbell.ring_soon(
            [
                Ring(job.job_id, FIRST_DISPATCH, job.queue, rank_of(job.run_at, job.priority))
                for job in jobs
                if job.state is JobState.QUEUED
            ]
        )


def as_submitted(job: NewJob, *, now: datetime) -> Job:
    """The job's row as the insert at `now` made it, without reading it again."""
    return Job(
        job_id=job.job_id,
        kind=job.kind,
        queue=QUEUE_OF[job.kind],
        state=JobState.SCHEDULED if job.run_at > now else JobState.QUEUED,
        spec=msgspec.json.decode(job.spec),
        labels=job.labels,
        run_at=job.run_at,
        attempt=0,
        max_attempts=job.max_attempts,
        dispatch_no=FIRST_DISPATCH,
        started_at=None,
        finished_at=None,
        cancel_requested_at=None,
        result=None,
        error=None,
        principal_id=job.principal_id,
        version=1,
        created_at=now,
        updated_at=now,
        priority=job.priority,
        expires_at=job.expires_at,
        unique_key=job.unique_key,
        limit_key=job.limit_key,
        parent_id=job.parent_id,
        requeue_of=job.requeue_of,
        traceparent=job.traceparent,
    )


def _holder(submission: Submission, held: Mapping[tuple[str, str], KeyClaim]) -> KeyClaim | None:
    """Who else holds the submission's key, or None when it is free or its own."""
    if submission.idempotency is None:
        return None
    claim = held[submission.job.principal_id, submission.idempotency.key]
    return None if claim.job_id == submission.job.job_id else claim


def _replay(submission: Submission, holder: KeyClaim | None, earlier: Mapping[UUID, Job]) -> SubmissionResult:
    if holder is None or submission.idempotency is None:
        raise AssertionError("a submission is either fresh or its key is held")
    job = earlier.get(holder.job_id)
    if job is None or holder.fingerprint != submission.idempotency.fingerprint:
        return KeyReused(submission.idempotency.key)
    return Accepted(job, is_replayed=True)
