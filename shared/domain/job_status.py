"""A job as its readers see it: everything but what it was asked to do, which can be long."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import msgspec

from shared.domain.jobs import Job, JobKind, JobState

JOBS_PATH = "/api/v1/jobs"


def links_of(job_id: UUID) -> dict[str, str]:
    """Where more is told about a job: paths on this server."""
    path = f"{JOBS_PATH}/{job_id}"
    return {
        "self": path,
        "spec": f"{path}/spec",
        "samples": f"{path}/samples",
        "attempts": f"{path}/attempts",
        "cancel": f"{path}/cancel",
    }


@dataclass(frozen=True, slots=True)
class JobStatus:
    """How a job stands. `labels`, `result` and `error` are JSON as text, handed through as the database wrote it."""

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
        result=None if job.result is None else _encode(job.result),
        error=None if job.error is None else _encode(job.error),
        version=job.version,
        created_at=job.created_at,
    )


def _encode(value: object) -> str:
    return msgspec.json.encode(value).decode()


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs to list; an empty field does not narrow."""

    states: frozenset[JobState] = frozenset()
    kind: JobKind | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    created_after: datetime | None = None
    created_before: datetime | None = None
