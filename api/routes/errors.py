"""Failed jobs grouped by what they failed of, and requeued by that."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from api.openapi import IDEMPOTENCY_KEY, VALIDATE_ONLY, problems, request_body
from api.paging import json_response
from api.problems import not_found
from api.routes.requeue import submit_order
from api.schemas.errors import ErrorList, ErrorListQuery, group_json
from api.schemas.jobs import JobView
from api.schemas.queries import limit_of
from api.schemas.requeue import ERROR_REQUEUE, Fingerprint, RequeuePreview
from api.services import services_of
from api.validation import read_model
from shared.storage.job.error_store import ErrorStore
from shared.storage.sample.statistics_store import limited_reading

router = APIRouter(tags=["requeue"])

ERRORS_PATH = "/api/v1/errors"
PATIENCE = timedelta(seconds=10)


@router.get(ERRORS_PATH, response_model=ErrorList, summary="Failures by kind", responses=problems(422))
async def list_errors(query: Annotated[ErrorListQuery, Query()], request: Request) -> Response:
    """Group the jobs that failed within the window by what they failed of, the largest group first."""
    services = services_of(request)
    limit = limit_of(query.limit, default=50, most=200)
    start = services.context.clock() - query.window
    async with limited_reading(services.context.database, patience=PATIENCE) as work:
        store = ErrorStore(work)
        found = await store.list_groups(since=start, kind=query.kind, limit=limit + 1)
        shown = found[:limit]
        versions = await store.find_versions(shown)
    items = [group_json(group, versions[group.fingerprint]) for group in shown]
    return json_response(request, {"items": items, "start": start, "truncated": len(found) > limit})


@router.post(
    f"{ERRORS_PATH}/{{fingerprint}}:requeue",
    status_code=202,
    response_model=JobView,
    summary="Run anew what failed in one way",
    responses={
        200: {"description": "How many jobs there are to requeue.", "model": RequeuePreview},
        **problems(404, 413, 415, 422),
    },
    openapi_extra={
        "requestBody": request_body("ErrorRequeueBody") | {"required": False},
        "parameters": [IDEMPOTENCY_KEY, VALIDATE_ONLY],
    },
)
async def requeue_error(fingerprint: Annotated[Fingerprint, Path()], request: Request) -> Response:
    """Make a job that requeues all jobs of a fingerprint: one, five more, then the rest, unless told otherwise."""
    services = services_of(request)
    body = await request.body()
    order = read_model(ERROR_REQUEUE, body or b"{}").order(fingerprint, services.context.clock())
    async with services.context.database.transaction() as work:
        is_known = await ErrorStore(work).has_failed(fingerprint)
    if not is_known:
        raise not_found("No job that is kept has failed with this fingerprint.")
    return await submit_order(request, order, body=body)
