"""Maintenance: planned work on monitors, when nobody is told and nothing counts."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from api.answers import no_content, unkept_json
from api.openapi import problems, request_body
from api.paging import json_response, page_response, query_text
from api.problems import ProblemError, not_found
from api.schemas.maintenance import (
    MAINTENANCE_BODY,
    MaintenanceDetailView,
    MaintenanceListQuery,
    MaintenancePage,
    MaintenancePreview,
    maintenance_json,
    planned_json,
)
from api.schemas.queries import limit_of
from api.schemas.silences import MakeQuery
from api.services import ApiServices, principal_of, services_of
from api.suppression_problems import too_many, wrong_span
from api.validation import read_model, refuse_nul
from shared.domain.suppression.maintenance import MAX_MAINTENANCES, Maintenance
from shared.domain.suppression.planned_spans import SpanError
from shared.services.suppression.suppression_bounds import TooManyError
from shared.storage.suppression.maintenance_store import MaintenanceStore

router = APIRouter(tags=["maintenance"])

MAINTENANCES_PATH = "/api/v1/maintenance"
MAINTENANCE_PATH = f"{MAINTENANCES_PATH}/{{maintenance_id:uuid}}"


@router.get(MAINTENANCES_PATH, response_model=MaintenancePage, summary="List maintenance", responses=problems(422))
async def list_maintenance(query: Annotated[MaintenanceListQuery, Query()], request: Request) -> Response:
    """List windows of maintenance, the newest first; those that ended stay for 400 days."""
    services = services_of(request)
    limit = limit_of(query.limit, default=100, most=200)
    filters = query_text(request)
    after = services.cursors.read_id(query.cursor, query=filters)
    now = services.maintenances.now()
    async with services.context.database.transaction() as work:
        found = await MaintenanceStore(work).list_page(query.state, now=now, after=after, limit=limit + 1)
    page, next_cursor = services.cursors.cut(found, limit, place=lambda each: each.maintenance_id.bytes, query=filters)
    return page_response(request, [maintenance_json(each, now=now) for each in page], next_cursor=next_cursor)


@router.get(
    MAINTENANCE_PATH, response_model=MaintenanceDetailView, summary="Show maintenance", responses=problems(404, 422)
)
async def show_maintenance(maintenance_id: UUID, request: Request) -> Response:
    """Show a window of maintenance, and how many monitors it selects now."""
    services = services_of(request)
    async with services.context.database.transaction() as work:
        window = await MaintenanceStore(work).find(maintenance_id)
    if window is None:
        raise _no_maintenance()
    return json_response(request, await _detail_of(services, window))


@router.post(
    MAINTENANCES_PATH,
    status_code=201,
    response_model=MaintenanceDetailView,
    summary="Plan maintenance",
    responses={
        200: {"description": "What it would mean; nothing was made.", "model": MaintenancePreview},
        **problems(409, 413, 415, 422),
    },
    openapi_extra={"requestBody": request_body("MaintenanceBody")},
)
async def plan_maintenance(query: Annotated[MakeQuery, Query()], request: Request) -> Response:
    """Plan work on the monitors that a selector chooses, once or again and again, or begin it now for a while."""
    services = services_of(request)
    body = await request.body()
    wanted = read_model(MAINTENANCE_BODY, body).wanted
    refuse_nul(body)
    try:
        window = services.maintenances.plan(wanted, by=principal_of(request).principal_id)
        if query.validate_only:
            monitors = await services.maintenances.count_selected(window.selector)
            return json_response(request, planned_json(window) | {"monitors": monitors})
        await services.maintenances.make(window)
    except SpanError as error:
        raise wrong_span(error) from None
    except TooManyError:
        raise too_many("windows of maintenance that have not ended", MAX_MAINTENANCES) from None
    location = f"{MAINTENANCES_PATH}/{window.maintenance_id}"
    return unkept_json(await _detail_of(services, window), status=201, location=location)


@router.delete(
    MAINTENANCE_PATH,
    status_code=204,
    summary="End maintenance",
    responses={204: {"description": "It has ended."}, **problems(404)},
)
async def end_maintenance(maintenance_id: UUID, request: Request) -> Response:
    """End it for good now; its monitors are let go within a second. Doing it twice changes nothing."""
    if not await services_of(request).maintenances.end(maintenance_id):
        raise _no_maintenance()
    return no_content()


async def _detail_of(services: ApiServices, window: Maintenance) -> dict[str, object]:
    monitors = await services.maintenances.count_selected(window.selector)
    return maintenance_json(window, now=services.maintenances.now()) | {"monitors": monitors}


def _no_maintenance() -> ProblemError:
    return not_found("There is no maintenance with this id.")
