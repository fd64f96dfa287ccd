"""Looking at jobs and cancelling them."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from api import problem_kinds
from api.answers import Answer, as_response
from api.exchange import exchange_of
from api.hot_path import job_ask_of
from api.job_entry import JOBS_PATH, entry_of, job_json
from api.openapi import IF_MATCH, IF_NONE_MATCH, PREFER, problems
from api.paging import page_response, query_text
from api.preferences import is_strong_match
from api.problems import ProblemError
from api.schemas.jobs import JobPage, JobView
from api.schemas.queries import CancelQuery, JobListQuery, labels_of, limit_of
from api.services import ApiServices, services_of
from shared.domain.job.job_status import JobFilter, status_of
from shared.services.job.job_control import CancelOutcome
from shared.storage.job.job_status_store import JobStatusStore

router = APIRouter(tags=["jobs"])

_JSON = (b"content-type", b"application/json")


@router.get(
    f"{JOBS_PATH}/{{job_id:uuid}}",
    response_model=JobView,
    summary="How a job stands",
    responses={304: {"description": "The job still has the entity tag you have."}, **problems(404, 410)},
    openapi_extra={"parameters": [PREFER, IF_NONE_MATCH]},
)
async def show_job(job_id: UUID, request: Request) -> Response:
    """Tell how a job stands; with `Prefer: wait=N` once it has ended, or is not the one in `If-None-Match`."""
    answer = await services_of(request).reading.answer(str(job_id), job_ask_of(request.scope), receive=request.receive)
    return as_response(answer)


@router.get(JOBS_PATH, response_model=JobPage, summary="List jobs", responses=problems(422))
async def list_jobs(query: Annotated[JobListQuery, Query()], request: Request) -> Response:
    """List jobs, the newest first."""
    services = services_of(request)
    limit = limit_of(query.limit, default=50, most=200)
    filters = query_text(request)
    before = services.cursors.read_id(query.cursor, query=filters)
    wanted = JobFilter(
        states=frozenset(query.state),
        kind=query.kind,
        labels=labels_of(query.label),
        created_after=query.created_after,
        created_before=query.created_before,
        finished_after=query.finished_after,
        finished_before=query.finished_before,
        parent_id=query.parent_id,
        requeue_of=query.requeue_of,
        unique_key=query.unique_key,
        limit_key=query.limit_key,
        fingerprint=query.fingerprint,
    )
    async with services.context.database.transaction() as work:
        found = await JobStatusStore(work).list_statuses(wanted, before=before, limit=limit + 1)
    page, next_cursor = services.cursors.cut(found, limit, place=lambda status: status.job_id.bytes, query=filters)
    return page_response(request, [job_json(status) for status in page], next_cursor=next_cursor)


_CANCEL: dict[str, Any] = {
    "response_model": JobView,
    "responses": {
        202: {"description": "The job is running; its worker has been asked to stop.", "model": JobView},
        **problems(404, 409, 410, 412, 422),
    },
    "openapi_extra": {"parameters": [IF_MATCH]},
}


@router.post(f"{JOBS_PATH}/{{job_id:uuid}}/cancel", summary="Cancel a job", **_CANCEL)
@router.post(f"{JOBS_PATH}/{{job_id:uuid}}:cancel", summary="Cancel a job", operation_id="cancel_job_verb", **_CANCEL)
async def cancel_job(job_id: UUID, query: Annotated[CancelQuery, Query()], request: Request) -> Response:
    """Cancel a waiting job at once, or ask the worker of a running one to stop; an ended one is refused with 409."""
    services = services_of(request)
    await _check_if_match(services, job_id, request)
    cancelled = await services.context.control.cancel(job_id, with_children=query.children)
    services.reading.forget(job_id)
    if cancelled.job is None:
        raise services.reading.missing(job_id)
    if cancelled.outcome is CancelOutcome.ALREADY_DONE:
        state = cancelled.job.state.value
        raise ProblemError(problem_kinds.JOB_ALREADY_DONE, f"The job has ended: {state}.", members={"state": state})
    entry = entry_of(status_of(cancelled.job))
    status = 200 if cancelled.outcome is CancelOutcome.CANCELLED else 202
    return as_response(Answer(status, [_JSON, (b"etag", entry.etag)], entry.body))


async def _check_if_match(services: ApiServices, job_id: UUID, request: Request) -> None:
    wanted = exchange_of(request.scope).headers.get(b"if-match")
    if wanted is None:
        return
    services.reading.forget(job_id)
    entry = await services.reading.find(str(job_id))
    if entry is not None and not is_strong_match(wanted, entry.etag):
        raise ProblemError(
            problem_kinds.PRECONDITION_FAILED,
            "The job no longer has the entity tag in If-Match.",
            members={"current": entry.etag.decode()},
        )
