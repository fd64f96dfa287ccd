"""A job as its readers see it: everything but what it was asked to do, which can be long."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from shared.domain.job.job_ids import made_at_seconds
from shared.domain.job.jobs import Job, JobKind, JobState

JOBS_PATH = "/api/v1/jobs"


def links_of(job_id: UUID) -> dict[str, str]:
    """Where more is told about a job: paths on this server."""
    path = f"{JOBS_PATH}/{job_id}"
    return {
        "self": path,
        "spec": f"{path}/spec",
        "samples": f"{path}/samples",
        "attempts": f"{path}/attempts",
        "timeline": f"{path}/timeline",
        "children": f"{path}/children",
        "cancel": f"{path}/cancel",
        "requeue": f"{path}:requeue",
    }


def is_past_keeping(job_id: UUID, *, now: datetime, keep_days: int) -> bool:
    """Whether a job made at the time that a UUIDv7 tells (RFC 9562) may have been removed; 0 days keep for ever."""
    made_at = made_at_seconds(job_id)
    return made_at is not None and keep_days > 0 and made_at < (now - timedelta(days=keep_days)).timestamp()


@dataclass(frozen=True, slots=True)
class JobStatus:
    """How a job stands; `labels`, `result`, `error` and `progress` are JSON as text, as the database wrote it."""

    job_id: UUID
    kind: JobKind
    state: JobState
    labels: str
    run_at: datetime
    attempt: int
    max_attempts: int
    started_at: datetime | None
    finished_at: datetime | None
    cancel_requested_at: datetime | None
    result: str | None
    error: str | None
    version: int
    created_at: datetime
    priority: int
    expires_at: datetime | None
    unique_key: str | None
    limit_key: str | None
    blocked_by: str | None
    parent_id: UUID | None
    requeue_of: UUID | None
    progress: str | None
    traceparent: str | None

    @property
    def is_done(self) -> bool:
        """Whether the job has ended."""
        return self.state.is_terminal


def status_of(job: Job) -> JobStatus:
    """What of a job its readers see."""
    return JobStatus(
        job_id=job.job_id,
        kind=job.kind,
        state=job.state,
        labels=_encode(job.labels),
        run_at=job.run_at,
        attempt=job.attempt,
        max_attempts=job.max_attempts,
        started_at=job.started_at,
        finished_at=job.finished_at,
        cancel_requested_at=job.cancel_requested_at,
        result=_encode_or_none(job.result),
        error=_encode_or_none(job.error),
        version=job.version,
        created_at=job.created_at,
        priority=job.priority,
        expires_at=job.expires_at,
        unique_key=job.unique_key,
        limit_key=job.limit_key,
        blocked_by=job.blocked_by,
        parent_id=job.parent_id,
        requeue_of=job.requeue_of,
        progress=_encode_or_none(job.progress),
        traceparent=job.traceparent,
    )


def _encode(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _encode_or_none(value: object) -> str | None:
    return None if value is None else _encode(value)


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs to list; an empty field does not narrow. A fingerprint finds failed jobs, a time of end ended ones."""

    states: frozenset[JobState] = frozenset()
    kind: JobKind | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    created_after: datetime | None = None
    created_before: datetime | None = None
    finished_after: datetime | None = None
    finished_before: datetime | None = None
    parent_id: UUID | None = None
    requeue_of: UUID | None = None
    unique_key: str | None = None
    limit_key: str | None = None
    fingerprint: str | None = None

    @property
    def finds_rounds(self) -> bool:
        """Whether rounds are among them: they are very many, and found where they are asked for, or one failure is."""
        return self.kind is JobKind.ROUND or self.fingerprint is not None
