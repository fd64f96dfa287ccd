"""How a job stands, written once for everybody who asks: its body and its entity tag."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import orjson

from shared.domain.job import job_status
from shared.domain.job.job_status import JobStatus, links_of
from shared.domain.job.jobs import JobKind, JobState

JOBS_PATH = job_status.JOBS_PATH
LONGEST_RETRY_SECONDS = 60
_EMPTY = orjson.Fragment(b"{}")


@dataclass(frozen=True, slots=True)
class JobEntry:
    """A job's answer. `etag` is strong: `"{id}-{version}"` with its quotes."""

    etag: bytes
    body: bytes
    kind: JobKind
    state: JobState
    is_done: bool
    run_at: datetime
    version: int


def entry_of(status: JobStatus) -> JobEntry:
    """Write the job's body and tag."""
    return JobEntry(
        etag=f'"{status.job_id}-{status.version}"'.encode(),
        # A copy, since it is kept: what orjson returns holds on to the eight kilobytes it was written in.
        body=bytes(memoryview(orjson.dumps(job_json(status), option=orjson.OPT_UTC_Z))),
        kind=status.kind,
        state=status.state,
        is_done=status.is_done,
        run_at=status.run_at,
        version=status.version,
    )


def job_json(status: JobStatus) -> dict[str, object]:
    """The job as `JobView` describes it, ready for orjson with `OPT_UTC_Z`."""
    return {
        "id": str(status.job_id),
        "kind": status.kind.value,
        "state": status.state.value,
        "done": status.is_done,
        "attempt": status.attempt,
        "max_attempts": status.max_attempts,
        "labels": _as_written(status.labels),
        "run_at": status.run_at,
        "created_at": status.created_at,
        "started_at": status.started_at,
        "finished_at": status.finished_at,
        "cancel_requested_at": status.cancel_requested_at,
        "result": _as_written(status.result),
        "error": _as_written(status.error),
        "version": status.version,
        "priority": status.priority,
        "expires_at": status.expires_at,
        "unique_key": status.unique_key,
        "limit_key": status.limit_key,
        "blocked_by": status.blocked_by,
        "parent_id": _text_or_none(status.parent_id),
        "requeue_of": _text_or_none(status.requeue_of),
        "progress": _as_written(status.progress),
        "traceparent": status.traceparent,
        "links": links_of(status.job_id),
    }


def _text_or_none(job_id: UUID | None) -> str | None:
    return None if job_id is None else str(job_id)


def _as_written(text: str | None) -> orjson.Fragment | None:
    """JSON always written the same way: one strong entity tag stands for the same bytes, stored or just submitted."""
    if text is None:
        return None
    if text == "{}":
        return _EMPTY
    return orjson.Fragment(orjson.dumps(orjson.loads(text), option=orjson.OPT_SORT_KEYS))


StartDelay = Callable[[JobKind], float]
"""In how many seconds a job of this kind that is queued now is expected to be started."""


def soon(_: JobKind) -> float:
    """What is expected where nothing is known of the queues."""
    return 1.0


def retry_after_seconds(entry: JobEntry, *, now: datetime, start_delay: StartDelay) -> int:
    """After how many seconds asking again is worth it, 1 to 60: when the job is due, or is expected to be started."""
    match entry.state:
        case JobState.SCHEDULED | JobState.RETRYING:
            seconds = (entry.run_at - now).total_seconds()
        case JobState.QUEUED:
            seconds = start_delay(entry.kind)
        case _:
            seconds = 1.0
    return int(min(max(seconds, 1.0), LONGEST_RETRY_SECONDS))
