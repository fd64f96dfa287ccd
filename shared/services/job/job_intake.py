"""Taking submissions in within one transaction: idempotency keys, then jobs, then what came of each."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from shared.domain.job.jobs import Job, JobState, NewJob
from shared.domain.job.submissions import (
    Accepted,
    KeyReused,
    OnConflict,
    ParentUnknown,
    Submission,
    SubmissionResult,
    UniqueKeyTaken,
)
from shared.storage.database import UnitOfWork
from shared.storage.job.idempotency_store import IdempotencyStore, KeyClaim
from shared.storage.job.intake_store import Intake, IntakeStore
from shared.storage.job.job_store import FIRST_DISPATCH, QUEUE_OF, JobStore

Held = Mapping[tuple[str, str], KeyClaim]
"""The claim that stands, by principal and key."""


async def take_in(work: UnitOfWork, submissions: Sequence[Submission], *, now: datetime) -> list[SubmissionResult]:
    """Make the jobs that nothing forbids; the answer tells of each submission, in their order."""
    held = await _claim_keys(work, submissions)
    fresh = [s for s in submissions if _claim_of(s, held) is None]
    intake = await IntakeStore(work).add([s.job for s in fresh], now=now)
    made = {s.job.job_id for s in fresh}
    wanted = {claim.job_id for claim in held.values()} - made | set(intake.holders.values())
    earlier = await JobStore(work).find_jobs(list(wanted)) if wanted else {}
    results = {s.job.job_id: _result_of(s, intake, earlier, now=now) for s in fresh}
    if held and (intake.holders or intake.orphans):
        await _settle_keys(work, held, results)
    return [results.get(s.job.job_id) or _replay(s, held, results, earlier) for s in submissions]


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


async def _claim_keys(work: UnitOfWork, submissions: Sequence[Submission]) -> Held:
    claims: dict[tuple[str, str], KeyClaim] = {}
    for s in submissions:
        if s.idempotency is not None:
            claim = KeyClaim(s.job.principal_id, s.idempotency.key, s.idempotency.fingerprint, s.job.job_id)
            claims.setdefault((claim.principal_id, claim.key), claim)
    return await IdempotencyStore(work).claim(list(claims.values())) if claims else {}


def _claim_of(submission: Submission, held: Held) -> KeyClaim | None:
    """Somebody else's claim of the submission's key, or None when it is free or its own."""
    if submission.idempotency is None:
        return None
    claim = held[submission.job.principal_id, submission.idempotency.key]
    return None if claim.job_id == submission.job.job_id else claim


def _result_of(
    submission: Submission, intake: Intake, earlier: Mapping[UUID, Job], *, now: datetime
) -> SubmissionResult:
    job = submission.job
    if job.job_id in intake.orphans and job.parent_id is not None:
        return ParentUnknown(job.parent_id)
    holder_id = intake.holders.get(job.job_id)
    if holder_id is None:
        return Accepted(as_submitted(job, now=now))
    if submission.on_conflict is OnConflict.REJECT:
        return UniqueKeyTaken(holder_id)
    return Accepted(earlier[holder_id], is_deduplicated=True)


async def _settle_keys(work: UnitOfWork, held: Held, results: Mapping[UUID, SubmissionResult]) -> None:
    """Let the idempotency keys stand for the jobs that were answered, and free those of what was refused."""
    moved, refused = [], []
    for claim in held.values():
        match results.get(claim.job_id):
            case Accepted(job=job, is_deduplicated=True):
                moved.append(KeyClaim(claim.principal_id, claim.key, claim.fingerprint, job.job_id))
            case UniqueKeyTaken() | ParentUnknown():
                refused.append(claim)
            case _:
                pass
    if moved:
        await IdempotencyStore(work).settle(moved)
    if refused:
        await IdempotencyStore(work).release(refused)


def _replay(
    submission: Submission, held: Held, results: Mapping[UUID, SubmissionResult], earlier: Mapping[UUID, Job]
) -> SubmissionResult:
    """What the request that holds the submission's key came to."""
    claim = _claim_of(submission, held)
    if claim is None or submission.idempotency is None:
        raise AssertionError("a submission is either fresh or its key is held")
    if claim.fingerprint != submission.idempotency.fingerprint:
        return KeyReused(submission.idempotency.key)
    match results.get(claim.job_id):
        case Accepted(job=job, is_deduplicated=is_deduplicated):
            return Accepted(job, is_replayed=True, is_deduplicated=is_deduplicated)
        case None:
            known = earlier.get(claim.job_id)
            return KeyReused(submission.idempotency.key) if known is None else Accepted(known, is_replayed=True)
        case refused:
            return refused
