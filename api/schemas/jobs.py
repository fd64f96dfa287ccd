"""What answers about jobs look like; the bodies are written by `api.job_entry`, and tests hold them equal to this."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from shared.domain.job.jobs import AttemptOutcome, BlockReason, JobKind, JobState
from shared.domain.target.outcome import Outcome


class View(BaseModel):
    """What every answer has in common."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class JobLinks(View):
    """Where more is told about a job."""

    self: str
    spec: str
    samples: str
    attempts: str
    timeline: str
    children: str
    cancel: str
    requeue: str


class JobErrorView(View):
    """Why a job's latest attempt failed: a name that stays, and a sentence."""

    code: str
    message: str


class JobView(View):
    """How a job stands. A collect job succeeds when its targets were collected, whatever was found."""

    id: UUID
    kind: JobKind
    state: JobState
    done: bool = Field(description="Whether the job has ended; no list of states is needed to know.")
    attempt: int
    max_attempts: int
    labels: dict[str, str]
    run_at: datetime = Field(description="When the job is or was due; the next try's moment while it is retrying.")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    cancel_requested_at: datetime | None
    result: dict[str, Any] | None = Field(description="For a collect job the number of targets by outcome.")
    error: JobErrorView | None
    version: int = Field(description="Grows with each change; the entity tag is made of it.")
    priority: int = Field(description="9 goes first; a step is worth a minute of waiting.")
    expires_at: datetime | None = Field(description="The job is not started after it, but ends as `expired`.")
    unique_key: str | None = Field(description="No other job that has not ended has it.")
    limit_key: str | None = Field(description="Jobs with the same one share the limit set under it.")
    blocked_by: BlockReason | None = Field(description="Why a queued job is held back from the workers.")
    parent_id: UUID | None
    requeue_of: UUID | None = Field(description="The ended job that this one runs anew.")
    progress: dict[str, Any] | None = Field(description="How far a running job is, as of its worker's last heartbeat.")
    traceparent: str | None = Field(description="The W3C trace context it was submitted in.")
    links: JobLinks


class JobPage(View):
    """Jobs, the newest first."""

    items: list[JobView]
    next_cursor: str | None = Field(description="Leads to the next page; null is the only sign of the end.")


class ChildPage(JobPage):
    """A job's children, the newest first."""

    counts: dict[JobState, int] = Field(description="How many children there are in each state, in all.")


class JobSpecView(View):
    """What a job was asked to do, its secrets masked."""

    kind: JobKind
    targets: list[dict[str, Any]] | None = None
    channel: dict[str, Any] | None = None
    message: dict[str, Any] | None = None
    event: dict[str, Any] | None = Field(default=None, description="With the notification of a job's end.")
    filter: dict[str, Any] | None = None
    canary: dict[str, Any] | None = None
    limit: int | None = None
    visits: list[dict[str, Any]] | None = Field(default=None, description="Of a round: the looks it takes.")


class AttemptView(View):
    """One try at a job."""

    attempt: int
    dispatch_no: int
    worker_id: str
    worker_version: str | None
    started_at: datetime
    finished_at: datetime
    outcome: AttemptOutcome
    code: str | None
    message: str | None
    queue_wait_ms: float
    run_ms: float
    detail: dict[str, Any] | None


class AttemptPage(View):
    """All tries at a job, the first one first."""

    items: list[AttemptView]
    next_cursor: None = None


class SampleView(View):
    """What one collection of one target found."""

    position: int = Field(description="The target's place in the job's list.")
    target: str
    outcome: Outcome
    duration_ms: float | None
    metrics: dict[str, float]
    code: str | None
    message: str | None
    collected_at: datetime


class SamplePage(View):
    """A job's samples in the order of its targets."""

    items: list[SampleView]
    next_cursor: str | None


class ValidView(View):
    """The submission is valid; nothing was made of it."""

    valid: bool


class BatchItemView(View):
    """What became of one item of a batch: `id` when it was taken, `problem` when it was not."""

    status: int
    id: UUID | None = None
    location: str | None = None
    replayed: bool | None = None
    deduplicated: bool | None = Field(default=None, description="It is the job that holds the unique key.")
    problem: dict[str, Any] | None = None


class BatchView(View):
    """What became of each item, in the order they were sent."""

    accepted: int
    rejected: int
    results: list[BatchItemView]
