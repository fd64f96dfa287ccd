"""A job's children: what a requeue job has made, the webhook that tells an end, and whatever names it as parent."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from api.job_entry import JOBS_PATH, job_json
from api.openapi import problems
from api.paging import page_response, query_text
from api.schemas.jobs import ChildPage
from api.schemas.queries import ChildListQuery, limit_of
from api.services import services_of
from shared.domain.job.job_status import JobFilter
from shared.storage.job.job_status_store import JobStatusStore
from shared.storage.sample.statistics_store import limited_reading

router = APIRouter(tags=["jobs"])

PATIENCE = timedelta(seconds=10)


@router.get(
    f"{JOBS_PATH}/{{job_id:uuid}}/children",
    response_model=ChildPage,
    summary="A job's children",
    responses=problems(404, 410, 422),
)
async def list_children(job_id: UUID, query: Annotated[ChildListQuery, Query()], request: Request) -> Response:
    """List a job's children, the newest first, and count them by state."""
    services = services_of(request)
    limit = limit_of(query.limit, default=50, most=200)
    filters = query_text(request)
    before = services.cursors.read_id(query.cursor, query=filters)
    wanted = JobFilter(states=frozenset(query.state), parent_id=job_id)
    async with limited_reading(services.context.database, patience=PATIENCE) as work:
        store = JobStatusStore(work)
        found = await store.list_statuses(wanted, before=before, limit=limit + 1)
        counts = await store.count_children(job_id)
        is_known = bool(counts) or await store.exists(job_id)
    if not is_known:
        raise services.reading.missing(job_id)
    page, next_cursor = services.cursors.cut(found, limit, place=lambda status: status.job_id.bytes, query=filters)
    return page_response(
        request,
        [job_json(status) for status in page],
        next_cursor=next_cursor,
        beside={"counts": {state.value: count for state, count in counts.items()}},
    )
