"""Telling a job's end: which notification follows it, and what that says."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from shared.domain.job.job_status import links_of
from shared.domain.job.jobs import DEFAULT_MAX_ATTEMPTS, JobKind, JobState, NewJob

MAX_EVENT_BYTES = 20_000
"""As Standard Webhooks asks; what is longer is fetched by the links."""
MAX_ERROR_CHARACTERS = 1000


@dataclass(frozen=True, slots=True)
class EndedJob:
    """A job that has just ended and has a webhook to be told; `webhook` holds its `url` and perhaps its `secret`."""

    job_id: UUID
    kind: JobKind
    state: JobState
    attempt: int
    labels: Mapping[str, str]
    result: Mapping[str, Any] | None
    error: Mapping[str, Any] | None
    finished_at: datetime
    webhook: Mapping[str, Any]
    principal_id: str
    priority: int
    traceparent: str | None


def completion_job(ended: EndedJob, *, job_id: UUID) -> NewJob:
    """The notify job, a child under the id `job_id`, that tells the end."""
    spec = {
        "channel": {"kind": "webhook", **ended.webhook},
        "message": {"title": f"{ended.kind.value} job {ended.job_id} {ended.state.value}"},
        "event": completion_event(ended),
    }
    return NewJob(
        job_id=job_id,
        kind=JobKind.NOTIFY,
        spec=msgspec.json.encode(spec).decode(),
        run_at=ended.finished_at,
        max_attempts=DEFAULT_MAX_ATTEMPTS[JobKind.NOTIFY],
        principal_id=ended.principal_id,
        labels=ended.labels,
        priority=ended.priority,
        parent_id=ended.job_id,
        traceparent=ended.traceparent,
    )


def completion_event(ended: EndedJob) -> dict[str, Any]:
    """The event as its webhook gets it; a result that would make it too long is left out, and that is said."""
    data: dict[str, Any] = {
        "id": str(ended.job_id),
        "kind": ended.kind.value,
        "state": ended.state.value,
        "attempt": ended.attempt,
        "result": ended.result,
        "error": _shortened(ended.error),
        "labels": ended.labels,
        "links": links_of(ended.job_id),
    }
    event = {"type": f"job.{ended.state.value}", "timestamp": msgspec.to_builtins(ended.finished_at), "data": data}
    if len(msgspec.json.encode(event)) > MAX_EVENT_BYTES:
        event["data"] = data | {"result": None, "result_omitted": True}
    return event


def _shortened(error: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    if error is None:
        return None
    return {**error, "message": str(error["message"])[:MAX_ERROR_CHARACTERS]}
