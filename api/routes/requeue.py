"""Running ended jobs anew, one by one, and by filter as a job of its own."""

from uuid import UUID

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from api import problem_kinds
from api.answers import Answer, as_response
from api.exchange import exchange_of
from api.intake import with_key
from api.job_entry import JOBS_PATH, entry_of
from api.openapi import IDEMPOTENCY_KEY, VALIDATE_ONLY, problems, request_body
from api.preferences import parse_idempotency_key
from api.problems import ProblemError
from api.routes.job_submission import count_result, read_validate_only, refusal_of
from api.schemas.jobs import JobView
from api.schemas.requeue import BULK_REQUEUE, REQUEUE, RequeuePreview
from api.services import principal_of, services_of
from api.validation import read_model
from shared.domain.job.job_status import status_of
from shared.domain.job.jobs import DEFAULT_MAX_ATTEMPTS, Job, JobKind, NewJob
from shared.domain.job.requeue import RequeueOrder
from shared.domain.job.submissions import Accepted, Submission
from shared.services.job.requeue import RequeueOutcome
from shared.services.job.requeue_work import order_json

router = APIRouter(tags=["requeue"])

MAX_COUNTED = 10_000
"""How far a preview counts."""
RETRY_SECONDS = 1


@router.post(
    f"{JOBS_PATH}/{{job_id:uuid}}:requeue",
    status_code=202,
    response_model=JobView,
    summary="Run an ended job anew",
    responses=problems(404, 409, 410, 413, 415, 422),
    openapi_extra={"requestBody": request_body("RequeueBody") | {"required": False}},
)
async def requeue_job(job_id: UUID, request: Request) -> Response:
    """Make a new job of an ended one, at most once; the ended one stays as it is."""
    services = services_of(request)
    wanted = read_model(REQUEUE, await request.body() or b"{}")
    answer = await services.context.requeue.requeue(
        job_id,
        principal_id=principal_of(request).principal_id,
        changes=wanted.changes(services.context.clock()),
    )
    if answer.job is None:
        raise services.reading.missing(job_id)
    if answer.outcome is RequeueOutcome.NOT_DONE:
        state = answer.job.state.value
        raise ProblemError(problem_kinds.JOB_NOT_DONE, f"The job is {state}.", members={"state": state})
    if answer.outcome is RequeueOutcome.IS_ROUND:
        raise ProblemError(problem_kinds.JOB_IS_ROUND, "The job was a round of scheduled collection.")
    if answer.outcome is RequeueOutcome.ALREADY_REQUEUED:
        raise ProblemError(
            problem_kinds.JOB_ALREADY_REQUEUED,
            "Another job runs this one anew; when that has ended it can be requeued itself.",
            members={"job": f"{JOBS_PATH}/{answer.job.job_id}"},
        )
    return accepted(answer.job)


@router.post(
    f"{JOBS_PATH}:requeue",
    status_code=202,
    response_model=JobView,
    summary="Run ended jobs anew by filter",
    responses={
        200: {"description": "How many jobs the filter finds.", "model": RequeuePreview},
        **problems(413, 415, 422),
    },
    openapi_extra={"requestBody": request_body("BulkRequeueBody"), "parameters": [IDEMPOTENCY_KEY, VALIDATE_ONLY]},
)
async def requeue_jobs(request: Request) -> Response:
    """Make a job that requeues what the filter finds; its progress and result count them, and it can be cancelled."""
    body = await request.body()
    order = read_model(BULK_REQUEUE, body).order(services_of(request).context.clock())
    return await submit_order(request, order, body=body)


async def submit_order(request: Request, order: RequeueOrder, *, body: bytes) -> Response:
    """Make the requeue job, or with `validate_only` say how many jobs it would find."""
    services = services_of(request)
    key = parse_idempotency_key(exchange_of(request.scope).headers.get(b"idempotency-key"))
    if read_validate_only(request):
        return await _preview(request, order)
    job = NewJob(
        job_id=uuid7(),
        kind=JobKind.REQUEUE,
        spec=order_json(order),
        run_at=services.context.clock(),
        max_attempts=DEFAULT_MAX_ATTEMPTS[JobKind.REQUEUE],
        principal_id=principal_of(request).principal_id,
    )
    operation = f"POST {request.url.path}".encode()
    result = await services.context.submission.submit(
        with_key(Submission(job), key, operation=operation, body=body or b"{}")
    )
    count_result(services, job, result)
    if not isinstance(result, Accepted):
        raise refusal_of(result)
    return accepted(result.job, is_replayed=result.is_replayed)


async def _preview(request: Request, order: RequeueOrder) -> Response:
    at_most = min(MAX_COUNTED, order.limit)
    found = await services_of(request).context.requeue.count(order.filter, at_most=at_most + 1)
    shown = {"valid": True, "matching": min(found, at_most), "is_more": found > at_most}
    return as_response(Answer(200, [(b"content-type", b"application/json")], orjson.dumps(shown)))


def accepted(job: Job, *, is_replayed: bool = False) -> Response:
    """The answer that a new job has been made."""
    entry = entry_of(status_of(job))
    headers = [
        (b"content-type", b"application/json"),
        (b"location", f"{JOBS_PATH}/{job.job_id}".encode()),
        (b"etag", entry.etag),
    ]
    if is_replayed:
        headers.append((b"idempotent-replayed", b"true"))
    if not entry.is_done:
        headers.append((b"retry-after", b"%d" % RETRY_SECONDS))
    return as_response(Answer(202, headers, entry.body))
