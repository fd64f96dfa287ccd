"""From a request's body to a job: judged whole, kept as received, fingerprinted when it carries an idempotency key."""

import hashlib
from datetime import datetime
from typing import Any, cast

import orjson
from uuid_utils.compat import uuid7

from api.schemas.submissions import SUBMISSION, max_attempts_of
from api.validation import read_json, read_model, refuse_nul
from shared.domain.jobs import JobKind, NewJob
from shared.services.job_submission import Idempotency, Submission
from shared.telemetry import current_trace

_SPEC_FIELDS = {JobKind.COLLECT: ("targets",), JobKind.NOTIFY: ("channel", "message")}


def read_job(body: bytes, *, principal_id: str, now: datetime, prefix: str = "") -> NewJob:
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
    trace = current_trace()
    return NewJob(
        job_id=uuid7(),
        kind=kind,
        spec=orjson.dumps({name: raw[name] for name in _SPEC_FIELDS[kind]}).decode(),
        run_at=model.due_at(now),
        max_attempts=max_attempts_of(model, kind),
        principal_id=principal_id,
        labels=model.labels,
        traceparent=None if trace is None else str(trace),
    )


def submission_of(job: NewJob, *, key: str | None, operation: bytes, body: bytes) -> Submission:
    """The submission under the client's key, if it sent one; `operation` is the request's method and path."""
    if key is None:
        return Submission(job)
    return Submission(job, Idempotency(key=key, fingerprint=fingerprint_of(operation, body)))


def fingerprint_of(operation: bytes, body: bytes) -> bytes:
    """SHA-256 over method, path and the body as canonical JSON, so that spaces and the order of names do not matter."""
    canonical = orjson.dumps(orjson.loads(body), option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(operation + b"\n" + canonical).digest()
