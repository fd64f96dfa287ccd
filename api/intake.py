"""From a request's body to a job: judged whole, kept as received, fingerprinted when it carries an idempotency key."""

import hashlib
from dataclasses import replace
from datetime import datetime
from typing import Any, cast

import orjson
from uuid_utils.compat import uuid7

from api.problems import invalid_input
from api.schemas.submissions import SUBMISSION, SubmissionModel, max_attempts_of
from api.validation import read_json, read_model, refuse_nul
from shared.domain.jobs import JobKind, NewJob
from shared.services.job_submission import Idempotency, Submission
from shared.telemetry import current_trace

_SPEC_FIELDS = {JobKind.COLLECT: ("targets",), JobKind.NOTIFY: ("channel", "message")}


def read_submission(body: bytes, *, principal_id: str, now: datetime, prefix: str = "") -> Submission:
    """Judge one submission and make the job of it; `prefix` is the pointer to it in a larger body.

    The job's spec is what was sent, not what the model holds: its secrets would be masked, its defaults frozen.

    Raises:
        ProblemError: it is not valid.
    """
    model = read_model(SUBMISSION, body, prefix=prefix)
    refuse_nul(body, prefix=prefix)
    # The model has just found it to be an object.
    raw = cast(dict[str, Any], read_json(body))
    kind = JobKind(model.kind)
    run_at = model.due_at(now)
    trace = current_trace()
    job = NewJob(
        job_id=uuid7(),
        kind=kind,
        spec=orjson.dumps({name: raw[name] for name in _SPEC_FIELDS[kind]}).decode(),
        run_at=run_at,
        max_attempts=max_attempts_of(model, kind),
        principal_id=principal_id,
        labels=model.labels,
        priority=model.priority,
        expires_at=_deadline_of(model, run_at, prefix=prefix),
        unique_key=model.unique_key,
        limit_key=model.limit_key,
        parent_id=model.parent_id,
        completion=None if model.webhook is None else orjson.dumps(raw["webhook"]).decode(),
        traceparent=None if trace is None else str(trace),
    )
    return Submission(job, on_conflict=model.on_conflict)


def with_key(submission: Submission, key: str | None, *, operation: bytes, body: bytes) -> Submission:
    """The submission under the client's key, if it sent one; `operation` is the request's method and path."""
    if key is None:
        return submission
    return replace(submission, idempotency=Idempotency(key=key, fingerprint=fingerprint_of(operation, body)))


def _deadline_of(model: SubmissionModel, run_at: datetime, *, prefix: str) -> datetime | None:
    deadline = model.deadline(run_at)
    if deadline is not None and deadline <= run_at:
        raise invalid_input([{"detail": "the job would expire before it is due", "pointer": f"{prefix}/expires_at"}])
    return deadline


def fingerprint_of(operation: bytes, body: bytes) -> bytes:
    """SHA-256 over method, path and the body as canonical JSON, so that spaces and the order of names do not matter."""
    canonical = orjson.dumps(orjson.loads(body), option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(operation + b"\n" + canonical).digest()
