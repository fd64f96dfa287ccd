"""Where time goes: of one job, and of the fleet's jobs over a window."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from api.job_entry import JOBS_PATH
from api.openapi import problems
from api.paging import json_response
from api.schemas.timelines import TimelineView, WaitsQuery, WaitsView, timeline_json, wait_json
from api.services import services_of
from shared.domain.job.timeline import timeline_of
from shared.domain.job.waits import sum_up
from shared.storage.job.timeline_store import TimelineStore
from shared.storage.sample.statistics_store import limited_reading

router = APIRouter(tags=["jobs"])

SLICES = 20
PER_SLICE = 50
"""A thousand jobs are looked at in some 20 ms, evenly over the window."""
PATIENCE = timedelta(seconds=10)


@router.get(
    f"{JOBS_PATH}/{{job_id:uuid}}/timeline",
    response_model=TimelineView,
    summary="Where a job's time went",
    responses=problems(404, 410),
)
async def show_timeline(job_id: UUID, request: Request) -> Response:
    """Divide a job's life, from its submission to its end or until now, into spans that add up to it."""
    services = services_of(request)
    async with services.context.database.transaction() as work:
        store = TimelineStore(work)
        life = await store.find_life(job_id)
        attempts = (await store.list_attempts([job_id])).get(job_id, [])
    if life is None:
        raise services.reading.missing(job_id)
    timeline = timeline_of(life, attempts, now=services.context.clock())
    return json_response(request, timeline_json(job_id, timeline, is_done=life.state.is_terminal))


@router.get("/api/v1/stats/waits", response_model=WaitsView, summary="Where jobs wait", responses=problems(422))
async def show_waits(query: Annotated[WaitsQuery, Query()], request: Request) -> Response:
    """Percentiles of each segment over a sample of the jobs submitted within the window, the living ones until now."""
    services = services_of(request)
    end = services.context.clock()
    start = end - query.window
    async with limited_reading(services.context.database, patience=PATIENCE) as work:
        store = TimelineStore(work)
        lives = await store.sample_lives(query.kind, start=start, end=end, slices=SLICES, per_slice=PER_SLICE)
        attempts = await store.list_attempts(lives)
    timelines = [timeline_of(life, attempts.get(job_id, []), now=end) for job_id, life in lives.items()]
    return json_response(
        request,
        {
            "start": start,
            "end": end,
            "jobs": len(lives),
            "is_sample": len(lives) >= PER_SLICE,
            "segments": [wait_json(figures) for figures in sum_up(timelines)],
        },
    )
