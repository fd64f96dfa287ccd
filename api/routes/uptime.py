"""How long a monitor's target was up, and what it went through."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from api.openapi import problems
from api.paging import json_response, page_response, query_text
from api.problems import not_found
from api.schemas.moments import EARLIEST, LATEST
from api.schemas.queries import limit_of
from api.schemas.uptime import (
    MonitorUptimesView,
    StateTimelinePage,
    StateTimelineQuery,
    UptimeQuery,
    span_json,
    uptime_json,
)
from api.services import services_of
from shared.domain.monitor.uptime import Span, Window
from shared.services.monitor.uptime import WINDOWS

router = APIRouter(tags=["uptime"])

MONITOR_PATH = "/api/v1/monitors/{monitor_id:uuid}"


@router.get(
    f"{MONITOR_PATH}/uptime",
    response_model=MonitorUptimesView,
    summary="A monitor's uptime",
    responses=problems(404, 422),
)
async def show_uptime(monitor_id: UUID, query: Annotated[UptimeQuery, Query()], request: Request) -> Response:
    """Sum up the status timeline over windows that end now, exactly; what was our own fault counts neither way."""
    services = services_of(request)
    windows = {name: WINDOWS[name] for name in query.windows.split(",")}
    now = services.context.clock()
    found = (await services.uptime.of([monitor_id], windows, now=now)).get(monitor_id)
    if found is None:
        raise not_found("There is no monitor with this id.")
    shown = {name: uptime_json(uptime, start=now - windows[name]) for name, uptime in found.items()}
    return json_response(request, {"id": str(monitor_id), "end": now, "windows": shown})


@router.get(
    f"{MONITOR_PATH}/timeline",
    response_model=StateTimelinePage,
    summary="A monitor's status timeline",
    responses=problems(404, 422),
)
async def list_timeline(monitor_id: UUID, query: Annotated[StateTimelineQuery, Query()], request: Request) -> Response:
    """List the states the monitor was in, the newest first; each lasts until the one above it."""
    return await _list_spans(services_of(request).uptime.timeline, monitor_id, query, request)


@router.get(
    f"{MONITOR_PATH}/outages",
    response_model=StateTimelinePage,
    summary="A monitor's outages",
    responses=problems(404, 422),
)
async def list_outages(monitor_id: UUID, query: Annotated[StateTimelineQuery, Query()], request: Request) -> Response:
    """List when the target was down, the newest first."""
    return await _list_spans(services_of(request).uptime.outages, monitor_id, query, request)


_Read = Callable[..., Awaitable[list[Span] | None]]


async def _list_spans(read: _Read, monitor_id: UUID, query: StateTimelineQuery, request: Request) -> Response:
    """A page of spans; the cursor is where the oldest of the page before begins."""
    cursors = services_of(request).cursors
    limit = limit_of(query.limit, default=100, most=1000)
    filters = query_text(request)
    end = query.end or LATEST
    if query.cursor is not None:
        end = datetime.fromisoformat(cursors.read(query.cursor, query=filters).decode())
    found = await read(monitor_id, Window(query.start or EARLIEST, end), limit=limit + 1)
    if found is None:
        raise not_found("There is no monitor with this id.")
    page, next_cursor = cursors.cut(found, limit, place=lambda span: span.start.isoformat().encode(), query=filters)
    return page_response(request, [span_json(span) for span in page], next_cursor=next_cursor)
