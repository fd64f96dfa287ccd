"""A worker's right to a running job, what it says at the end, and what becomes of a job whose worker fell silent."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from shared.domain.job.fingerprints import fingerprint_of
from shared.domain.job.jobs import DEFAULT_PRIORITY, AttemptOutcome, Failure, JobKind, JobState, Ring, rank_of
from shared.domain.sample.samples import Sample

MAX_LOST_ATTEMPTS = 3
"""A job whose workers vanished this often is poison and no longer tried."""


@dataclass(frozen=True, slots=True)
class ClaimedJob:
    """A job this worker has the lease of.

    `queue_wait_ms` is the time from queued to claimed and `blocked_ms` the part of it that a pause or a limit took;
    `claim_ms` is the time from the worker's taking the ring to its lease. All in milliseconds.
    """

    job_id: UUID
    kind: JobKind
    queue: str
    spec: str
    attempt: int
    max_attempts: int
    dispatch_no: int
    lease_token: UUID
    started_at: datetime
    queue_wait_ms: float
    due_at: datetime
    principal_id: str
    priority: int = DEFAULT_PRIORITY
    queued_at: datetime | None = None
    blocked_ms: float = 0.0
    claim_ms: float = 0.0
    snoozes: int = 0
    limit_key: str | None = None
    traceparent: str | None = None
    effect_id: UUID | None = None
    progress: Mapping[str, Any] | None = None
    has_completion: bool = False

    @property
    def notification_id(self) -> UUID:
        """What receivers tell a repeat by: the same over all tries, and when the job is queued anew."""
        return self.effect_id or self.job_id


@dataclass(frozen=True, slots=True)
class JobEnd:
    """What a worker records of an attempt, fenced by its lease token.

    `state` is where the job goes: an end, `retrying` with its `run_at`, or `queued` when it is handed back. `progress`
    is what the next attempt goes on from.
    """

    claimed: ClaimedJob
    state: JobState
    outcome: AttemptOutcome
    finished_at: datetime
    run_at: datetime | None = None
    result: Mapping[str, Any] | None = None
    failure: Failure | None = None
    detail: Mapping[str, Any] | None = None
    samples: Sequence[Sample] = ()
    progress: Mapping[str, Any] | None = None

    @property
    def fingerprint(self) -> str | None:
        """What the failure is grouped by, where there is one."""
        return fingerprint_of(self.claimed.kind, self.failure) if self.failure else None


@dataclass(frozen=True, slots=True)
class ExpiredLease:
    """A job whose lease ran out, and who owned that; `lost_attempts` are those lost before."""

    claimed: ClaimedJob
    owner: str
    lost_attempts: int
    is_cancel_requested: bool


@dataclass(frozen=True, slots=True)
class JobChange:
    """A job's row as just written: what caches, waiters and watchers are told; `kind` is told to the latter only."""

    job_id: UUID
    version: int
    state: JobState
    kind: JobKind | None = None


@dataclass(frozen=True, slots=True)
class LeaseBeat:
    """What a heartbeat says of one lease; `progress` is how far its job is, when there is news of it."""

    job_id: UUID
    token: UUID
    progress: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class LeaseAnswer:
    """What the answer to a heartbeat says of a lease that still stands; `change` is there when progress was written."""

    is_cancel_requested: bool
    change: JobChange | None = None


def next_ring(claimed: ClaimedJob) -> Ring:
    """The ring of a claimed job that was queued again."""
    return Ring(claimed.job_id, claimed.dispatch_no + 1, claimed.queue, rank_of(claimed.due_at, claimed.priority))


def told_ends(ends: Iterable[JobEnd], changes: Mapping[UUID, JobChange]) -> list[UUID]:
    """The jobs among `ends` that have ended by these changes and have a webhook to be told."""
    jobs = (end.claimed for end in ends if end.claimed.has_completion)
    return [job.job_id for job in jobs if job.job_id in changes and changes[job.job_id].state.is_terminal]


class RescueReason(StrEnum):
    """Why a job whose lease ran out goes where it goes."""

    LEASE_EXPIRED = "lease_expired"
    CRASH_LOOP = "crash_loop"
    ATTEMPTS_EXHAUSTED = "attempts_exhausted"
    CANCEL_REQUESTED = "cancel_requested"


@dataclass(frozen=True, slots=True)
class RescueDecision:
    """Where a job whose lease ran out goes."""

    state: JobState
    reason: RescueReason


def decide_rescue(*, attempt: int, max_attempts: int, lost_attempts: int, is_cancel_requested: bool) -> RescueDecision:
    """Decide what becomes of a job whose lease ran out; `lost_attempts` includes the one just lost."""
    if is_cancel_requested:
        return RescueDecision(JobState.CANCELLED, RescueReason.CANCEL_REQUESTED)
    if lost_attempts >= MAX_LOST_ATTEMPTS:
        return RescueDecision(JobState.FAILED, RescueReason.CRASH_LOOP)
    if attempt >= max_attempts:
        return RescueDecision(JobState.FAILED, RescueReason.ATTEMPTS_EXHAUSTED)
    return RescueDecision(JobState.QUEUED, RescueReason.LEASE_EXPIRED)
