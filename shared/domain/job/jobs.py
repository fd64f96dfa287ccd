"""The life of a job: its states, the transitions allowed, and the decisions taken along the way."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any
from uuid import UUID


class JobKind(StrEnum):
    """What a job does."""

    COLLECT = "collect"
    NOTIFY = "notify"
    REQUEUE = "requeue"
    """Queues failed jobs anew, as many as a filter finds."""
    ROUND = "round"
    """Collects slots of many monitors; made by the schedule and by nobody else.

    A kind of its own, because it has a queue of its own: no flood of submitted jobs delays a monitor.
    """


class JobState(StrEnum):
    """The eight states; `done` is derived, so that clients need not know them all."""

    SCHEDULED = "scheduled"
    QUEUED = "queued"
    RUNNING = "running"
    RETRYING = "retrying"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def is_terminal(self) -> bool:
        """Whether the job's life has ended."""
        return not TRANSITIONS[self]


TRANSITIONS: Mapping[JobState, frozenset[JobState]] = MappingProxyType(
    {
        JobState.SCHEDULED: frozenset({JobState.QUEUED, JobState.CANCELLED, JobState.EXPIRED}),
        JobState.QUEUED: frozenset({JobState.RUNNING, JobState.CANCELLED, JobState.EXPIRED}),
        JobState.RUNNING: frozenset(
            {JobState.SUCCEEDED, JobState.FAILED, JobState.RETRYING, JobState.QUEUED, JobState.CANCELLED}
        ),
        JobState.RETRYING: frozenset({JobState.QUEUED, JobState.CANCELLED, JobState.EXPIRED}),
        JobState.SUCCEEDED: frozenset(),
        JobState.FAILED: frozenset(),
        JobState.CANCELLED: frozenset(),
        JobState.EXPIRED: frozenset(),
    }
)
"""The transition table, the only one; storage writes its guards from it."""

TERMINAL_STATES = frozenset(state for state in JobState if state.is_terminal)
LIVE_STATES = frozenset(JobState) - TERMINAL_STATES
WAITING_STATES = LIVE_STATES - {JobState.RUNNING}


class AttemptOutcome(StrEnum):
    """How one try at a job ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    LOST = "lost"
    """The lease ran out: the worker died or was cut off."""
    FENCED = "fenced"
    """The work was finished after the lease had been lost, and thrown away."""
    RELEASED = "released"
    """The worker was stopped and handed the job back."""
    CANCELLED = "cancelled"
    SNOOZED = "snoozed"
    """The work asked to be run again later; the attempt is not spent."""


class BlockReason(StrEnum):
    """Why a queued job is held back from the workers, its ring taken out of the queue."""

    PAUSED = "paused"
    """Its queue is paused."""
    CONCURRENCY = "concurrency"
    """As many jobs of its limit key run as may."""
    RATE = "rate"
    """As many jobs of its limit key were started as may be in that time."""


PRIORITIES = range(10)
DEFAULT_PRIORITY = 4
PRIORITY_STEP = timedelta(minutes=1)
"""What a step of priority is worth in waiting."""


def rank_of(run_at: datetime, priority: int) -> int:
    """A job's place in its queue, in milliseconds; the least is served first.

    Priorities are head starts, so that none starves: a job of the least priority goes before any job of the greatest
    that became due more than nine steps later.
    """
    return int((run_at - priority * PRIORITY_STEP).timestamp() * 1000)


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job as submitted; `spec` is what the job's kind needs, JSON as text.

    `unique_key` names it among the jobs that have not ended; `limit_key` is what it shares a limit with. `completion`
    is the webhook that is told its end, JSON as text. `traceparent` is the W3C trace context it was submitted in.
    `requeue_of` is the ended job it runs anew, `effect_id` what its notification is known by, its own id unless told.
    """

    job_id: UUID
    kind: JobKind
    spec: str
    run_at: datetime
    max_attempts: int
    principal_id: str
    labels: Mapping[str, str] = field(default_factory=dict)
    priority: int = DEFAULT_PRIORITY
    expires_at: datetime | None = None
    unique_key: str | None = None
    limit_key: str | None = None
    parent_id: UUID | None = None
    completion: str | None = None
    traceparent: str | None = None
    requeue_of: UUID | None = None
    effect_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it stands. Times are aware and UTC; `version` grows with each change of the row."""

    job_id: UUID
    kind: JobKind
    queue: str
    state: JobState
    spec: Mapping[str, Any]
    labels: Mapping[str, str]
    run_at: datetime
    attempt: int
    max_attempts: int
    dispatch_no: int
    started_at: datetime | None
    finished_at: datetime | None
    cancel_requested_at: datetime | None
    result: Mapping[str, Any] | None
    error: Mapping[str, Any] | None
    principal_id: str
    version: int
    created_at: datetime
    updated_at: datetime
    priority: int = DEFAULT_PRIORITY
    expires_at: datetime | None = None
    unique_key: str | None = None
    limit_key: str | None = None
    blocked_by: BlockReason | None = None
    parent_id: UUID | None = None
    requeue_of: UUID | None = None
    progress: Mapping[str, Any] | None = None
    traceparent: str | None = None

    @property
    def is_done(self) -> bool:
        """Whether the job has ended."""
        return self.state.is_terminal


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at a job, kept as long as the job. `detail` is what the work has to say of it (a webhook's status).

    Its wait is told apart: `due_at`, then `queued_at`; `blocked_ms` of it by a pause or a limit; `claim_ms` between
    the worker's taking the ring and its lease; `recorded_at` is when its end was written.
    """

    job_id: UUID
    attempt: int
    dispatch_no: int
    worker_id: str
    started_at: datetime
    finished_at: datetime
    outcome: AttemptOutcome
    code: str | None
    message: str | None
    queue_wait_ms: float
    run_ms: float
    detail: Mapping[str, Any] | None
    worker_version: str | None
    fingerprint: str | None
    due_at: datetime | None
    queued_at: datetime | None
    blocked_ms: float
    claim_ms: float
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Ring:
    """One ringing of the doorbell: which job, its how-manieth dispatch, on which queue, and its place there."""

    job_id: UUID
    dispatch_no: int
    queue: str
    rank_ms: int = 1

    @property
    def ring_id(self) -> str:
        """The dispatch's ARQ id, never used twice."""
        return f"{self.job_id}:{self.dispatch_no}"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt failed: a named `code`, a sentence, whether trying again can help, and from when on."""

    code: str
    message: str
    is_permanent: bool = False
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential backoff with full jitter: the n-th delay is drawn from 0 to min(cap, base·2ⁿ⁻¹)."""

    base: timedelta
    cap: timedelta


RETRY_POLICIES: Mapping[JobKind, RetryPolicy] = MappingProxyType(
    {
        JobKind.COLLECT: RetryPolicy(base=timedelta(seconds=1), cap=timedelta(minutes=5)),
        # Standard Webhooks spreads its tries over a day; ours reach an hour between two of them.
        JobKind.NOTIFY: RetryPolicy(base=timedelta(seconds=5), cap=timedelta(hours=1)),
        JobKind.REQUEUE: RetryPolicy(base=timedelta(seconds=1), cap=timedelta(minutes=1)),
        JobKind.ROUND: RetryPolicy(base=timedelta(milliseconds=500), cap=timedelta(seconds=5)),
    }
)
DEFAULT_MAX_ATTEMPTS: Mapping[JobKind, int] = MappingProxyType(
    {JobKind.COLLECT: 3, JobKind.NOTIFY: 10, JobKind.REQUEUE: 10, JobKind.ROUND: 3}
)
MAX_SNOOZES = 10_000
"""A job that was put off this often fails."""


class RetryReason(StrEnum):
    """Why a failed attempt is or is not tried again."""

    BACKOFF = "backoff"
    RETRY_AFTER = "retry_after"
    PERMANENT = "permanent"
    ATTEMPTS_EXHAUSTED = "attempts_exhausted"
    CANCEL_REQUESTED = "cancel_requested"
    SNOOZE = "snooze"
    SNOOZED_TOO_OFTEN = "snoozed_too_often"


@dataclass(frozen=True, slots=True)
class RetryDecision:
    """What becomes of a job whose attempt failed; `retry_at` is None unless it is tried again."""

    state: JobState
    reason: RetryReason
    retry_at: datetime | None = None


def decide_retry(
    failure: Failure, *, kind: JobKind, attempt: int, max_attempts: int, now: datetime, draw: float
) -> RetryDecision:
    """Decide what follows a failed attempt; `draw` is a random number in [0, 1), which keeps the decision pure."""
    if failure.is_permanent:
        return RetryDecision(JobState.FAILED, RetryReason.PERMANENT)
    if attempt >= max_attempts:
        return RetryDecision(JobState.FAILED, RetryReason.ATTEMPTS_EXHAUSTED)
    policy = RETRY_POLICIES[kind]
    if failure.retry_after is not None:
        return RetryDecision(JobState.RETRYING, RetryReason.RETRY_AFTER, now + min(failure.retry_after, policy.cap))
    ceiling = min(policy.cap, policy.base * 2 ** min(attempt - 1, 30))
    return RetryDecision(JobState.RETRYING, RetryReason.BACKOFF, now + ceiling * draw)


def decide_snooze(delay: timedelta, *, snoozes: int, now: datetime) -> RetryDecision:
    """Decide what follows work that asked to be run again after `delay`; `snoozes` is how often it did before."""
    if snoozes >= MAX_SNOOZES:
        return RetryDecision(JobState.FAILED, RetryReason.SNOOZED_TOO_OFTEN)
    return RetryDecision(JobState.RETRYING, RetryReason.SNOOZE, now + max(delay, timedelta(0)))
