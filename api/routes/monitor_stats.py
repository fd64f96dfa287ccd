"""What the samples of one monitor come to, and the samples themselves."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from api.monitor_answers import MONITOR, MONITORS_PATH
from api.openapi import problems
from api.paging import json_response, page_response, query_text
from api.routes.stats import answer_to, plain_question_of
from api.schemas.monitor_samples import MonitorSamplePage, sample_json
from api.schemas.queries import MonitorSampleQuery, MonitorStatsRequest, limit_of
from api.schemas.stats import MonitorStatsView, monitor_answer_json
from api.services import ApiServices, services_of
from shared.domain.sample.monitor_samples import SeriesInfo, ShownSample
from shared.domain.sample.sample_columns import microseconds_of, moment_at
from shared.storage.sample.rollup_state import read_rollup_state
from shared.storage.sample.sample_reading import SampleWindow, coherent_reading
from shared.storage.sample.shown_samples import ShownSampleStore

router = APIRouter(tags=["monitors"])

PATIENCE = timedelta(seconds=10)
_PLACE_BYTES = 8


@router.get(
    f"{MONITORS_PATH}/{{monitor_id:uuid}}/stats",
    response_model=MonitorStatsView,
    response_model_exclude_unset=True,
    summary="A monitor's statistics",
    responses=problems(404, 422),
)
async def show_monitor_stats(
    monitor_id: UUID, query: Annotated[MonitorStatsRequest, Query()], request: Request
) -> Response:
    """Count, mean, extremes, percentiles and outcomes of a monitor's samples over any window."""
    services = services_of(request)
    series = await _series_of(services, monitor_id)
    question = plain_question_of(query, now=services.context.clock())
    question = replace(question, kind=series.kind, monitors=(monitor_id,), group_by="monitor")
    answer = await answer_to(services, question)
    return json_response(request, monitor_answer_json(answer, question.percentiles))


@router.get(
    f"{MONITORS_PATH}/{{monitor_id:uuid}}/samples",
    response_model=MonitorSamplePage,
    summary="A monitor's samples",
    responses=problems(404, 422),
)
async def list_monitor_samples(
    monitor_id: UUID, query: Annotated[MonitorSampleQuery, Query()], request: Request
) -> Response:
    """List a monitor's samples, the newest first, as far back as they are kept."""
    services = services_of(request)
    limit = limit_of(query.limit, default=100, most=1000)
    filters = query_text(request)
    end = query.end or services.context.clock() + timedelta(days=1)
    if query.cursor is not None:
        place = services.cursors.read(query.cursor, query=filters)
        end = min(end, moment_at(int.from_bytes(place, "big", signed=True)))
    series = await _series_of(services, monitor_id)
    found = await _newest(services, series, (query.start or moment_at(0), end), limit=limit + 1)
    page, next_cursor = services.cursors.cut(found, limit, place=_place_of, query=filters)
    return page_response(request, [sample_json(sample) for sample in page], next_cursor=next_cursor)


def _place_of(sample: ShownSample) -> bytes:
    return microseconds_of(sample.at).to_bytes(_PLACE_BYTES, "big", signed=True)


async def _series_of(services: ApiServices, monitor_id: UUID) -> SeriesInfo:
    async with services.context.database.transaction() as work:
        series = await ShownSampleStore(work).find_series(monitor_id)
    if series is None:
        raise MONITOR.none_found()
    return series


async def _newest(
    services: ApiServices, series: SeriesInfo, window: tuple[datetime, datetime], *, limit: int
) -> list[ShownSample]:
    async with coherent_reading(services.context.database, patience=PATIENCE) as work:
        horizon = await read_rollup_state(work)
        kept = SampleWindow.of(*window, horizon=horizon)
        if kept.start >= kept.end:
            return []
        return await ShownSampleStore(work).newest(series, kept, limit=limit)
