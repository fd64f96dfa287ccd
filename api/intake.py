"""From a request's body to a job: judged whole, kept as received, fingerprinted when it carries an idempotency key."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, assert_never, cast

import orjson
from uuid_utils.compat import uuid7

from api.problems import invalid_input, no_secret_key
from api.schemas.submissions import (
    SUBMISSION,
    CollectSubmission,
    NotifySubmission,
    SubmissionModel,
    max_attempts_of,
)
from api.validation import read_json, read_model, refuse_nul
from shared.domain.job.jobs import JobKind, NewJob
from shared.services.job.job_secrets import JobSecrets
from shared.services.job.job_submission import Idempotency, Submission
from shared.telemetry import current_trace
from shared.vault import NoSecretKeyError


def read_submission(
    body: bytes, *, principal_id: str, now: datetime, secrets: JobSecrets, prefix: str = ""
) -> Submission:
    """Judge one submission and make the job of it; `prefix` is the pointer to it in a larger body.

    The job's spec is what was sent, not what the model holds: its secrets would be masked, its defaults frozen. What
    holds secrets is sealed.

    Raises:
        ProblemError: it is not valid, or holds secrets and there is no key to seal them with.
    """
    model = read_model(SUBMISSION, body, prefix=prefix)
    refuse_nul(body, prefix=prefix)
    # The model has just found it to be an object.
    raw = cast(dict[str, Any], read_json(body))
    kind = JobKind(model.kind)
    run_at = model.due_at(now)
    trace = current_trace()
    spec, completion = _sealed(model, raw, secrets)
    job = NewJob(
        job_id=uuid7(),
        kind=kind,
        spec=spec,
        run_at=run_at,
        max_attempts=max_attempts_of(model, kind),
        principal_id=principal_id,
        labels=model.labels,
        priority=model.priority,
        expires_at=_deadline_of(model, run_at, prefix=prefix),
        unique_key=model.unique_key,
        limit_key=model.limit_key,
        parent_id=model.parent_id,
        completion=completion,
        traceparent=None if trace is None else str(trace),
    )
    return Submission(job, on_conflict=model.on_conflict)


def _sealed(
    model: CollectSubmission | NotifySubmission, raw: dict[str, Any], secrets: JobSecrets
) -> tuple[str, str | None]:
    """The spec and the webhook of a job's end, as they are kept."""
    try:
        spec = _spec_of(model, raw, secrets)
        webhook = None if model.webhook is None else secrets.seal_channel(model.webhook, raw["webhook"])
    except NoSecretKeyError as error:
        raise no_secret_key(error) from None
    return orjson.dumps(spec).decode(), None if webhook is None else orjson.dumps(webhook).decode()


def _spec_of(
    model: CollectSubmission | NotifySubmission, raw: dict[str, Any], secrets: JobSecrets
) -> Mapping[str, Any]:
    match model:
        case CollectSubmission():
            return secrets.seal_targets(model.targets, {"targets": raw["targets"]})
        case NotifySubmission():
            channel = secrets.seal_channel(model.channel, raw["channel"])
            return {"channel": channel, "message": raw["message"]}
        case _:
            assert_never(model)


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
