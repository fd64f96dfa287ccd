"""Submitting jobs, one by one and in batches."""

from typing import assert_never

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api import problem_kinds
from api.answers import Answer, Headers, as_response
from api.exchange import exchange_of
from api.intake import read_submission, with_key
from api.job_entry import JOBS_PATH, JobEntry, entry_of
from api.openapi import IDEMPOTENCY_KEY, PREFER, VALIDATE_ONLY, problems, request_body
from api.preferences import joined_header, parse_idempotency_key, parse_prefer
from api.problems import ProblemError, invalid_input
from api.schemas.jobs import JobView, ValidView
from api.services import ApiServices, principal_of, services_of
from api.waiting import WaitersFullError
from shared.domain.job.job_status import status_of
from shared.domain.job.jobs import NewJob
from shared.domain.job.submissions import (
    Accepted,
    KeyReused,
    ParentUnknown,
    Refused,
    SubmissionResult,
    UniqueKeyTaken,
)

router = APIRouter(tags=["jobs"])

OPERATION = b"POST /api/v1/jobs"
_JSON = (b"content-type", b"application/json")


@router.post(
    JOBS_PATH,
    status_code=202,
    response_model=JobView,
    summary="Submit a job",
    responses={
        200: {
            "description": "Done within the time of `Prefer: wait`, the holder of the unique key, or valid.",
            "model": JobView | ValidView,
        },
        **problems(409, 413, 415, 422),
    },
    openapi_extra={
        "requestBody": request_body("JobSubmission"),
        "parameters": [IDEMPOTENCY_KEY, PREFER, VALIDATE_ONLY],
    },
)
async def create_job(request: Request) -> Response:
    """Take one job in. When this answers 202 the job is kept: it runs even if everything is restarted now."""
    services = services_of(request)
    body = await request.body()
    principal = principal_of(request)
    is_validate_only = read_validate_only(request)
    key = parse_idempotency_key(exchange_of(request.scope).headers.get(b"idempotency-key"))
    submission = read_submission(
        body, principal_id=principal.principal_id, now=services.context.clock(), secrets=services.job_secrets
    )
    if is_validate_only:
        return as_response(Answer(200, [_JSON], orjson.dumps({"valid": True})))
    services.admission.check(submission.job.kind)
    result = await services.context.submission.submit(with_key(submission, key, operation=OPERATION, body=body))
    count_result(services, submission.job, result)
    if not isinstance(result, Accepted):
        raise refusal_of(result)
    return await answer_accepted(request, result)


async def answer_accepted(request: Request, accepted: Accepted) -> Response:
    """Tell how the job stands, with `Prefer: wait=N` once it has ended."""
    services = services_of(request)
    job_id = str(accepted.job.job_id)
    entry: JobEntry = entry_of(status_of(accepted.job))
    headers: Headers = [_JSON, (b"location", f"{JOBS_PATH}/{job_id}".encode())]
    if accepted.is_replayed:
        headers.append((b"idempotent-replayed", b"true"))
    if accepted.is_deduplicated:
        headers.append((b"tocsin-deduplicated", b"true"))
    preferences = parse_prefer(joined_header(request.scope["headers"], b"prefer"))
    if preferences.wait_seconds is not None:
        exchange_of(request.scope).route = f"{JOBS_PATH} (wait)"
        try:
            seconds = preferences.wait_seconds
            entry = await services.reading.wait(job_id, _is_done, seconds=seconds, receive=request.receive) or entry
            headers.append((b"preference-applied", preferences.applied))
        except WaitersFullError:
            pass
    elif preferences.applied:
        headers.append((b"preference-applied", preferences.applied))
    headers.append((b"etag", entry.etag))
    if entry.is_done and preferences.wait_seconds is not None:
        return as_response(Answer(200, headers, entry.body))
    if not entry.is_done:
        headers.append((b"retry-after", b"%d" % services.reading.retry_after_seconds(entry)))
    return as_response(Answer(200 if accepted.is_deduplicated else 202, headers, entry.body))


def _is_done(entry: JobEntry) -> bool:
    return entry.is_done


def count_result(services: ApiServices, job: NewJob, result: SubmissionResult) -> None:
    """Count what became of a submission."""
    match result:
        case Accepted(is_replayed=True):
            outcome = "replayed"
        case Accepted(is_deduplicated=True):
            outcome = "deduplicated"
        case Accepted():
            outcome = "accepted"
        case KeyReused():
            outcome = "key_reused"
        case UniqueKeyTaken():
            outcome = "unique_key_taken"
        case ParentUnknown():
            outcome = "parent_unknown"
        case _:
            assert_never(result)
    services.metrics.count_submission(job.kind, outcome)


def refusal_of(refused: Refused, *, prefix: str = "") -> ProblemError:
    """Why the job was not made; `prefix` is the pointer to it in a larger body."""
    match refused:
        case KeyReused():
            return ProblemError(
                problem_kinds.KEY_REUSED, "The idempotency key was used with another body within 24 hours."
            )
        case UniqueKeyTaken(holder_id=holder_id):
            return ProblemError(
                problem_kinds.UNIQUE_KEY_TAKEN,
                "A job that has not ended holds the unique key.",
                members={"job": f"{JOBS_PATH}/{holder_id}"},
            )
        case ParentUnknown():
            return invalid_input([{"detail": "there is no job with this id", "pointer": f"{prefix}/parent_id"}])
        case _:
            assert_never(refused)


def read_validate_only(request: Request) -> bool:
    """Whether the body is only to be judged.

    Raises:
        ProblemError: another query parameter is given, or this one is neither true nor false.
    """
    if not request.scope["query_string"]:
        return False
    for name, value in request.query_params.multi_items():
        if name != "validate_only":
            raise invalid_input([{"detail": "there is no such parameter here", "parameter": name}])
        if value not in {"true", "false"}:
            raise invalid_input([{"detail": "write true or false", "parameter": name}])
    return request.query_params["validate_only"] == "true"
