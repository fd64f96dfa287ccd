"""Changing all monitors that are selected."""

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.monitor_answers import MONITORS_PATH
from api.openapi import problems, request_body
from api.paging import json_response
from api.problems import invalid_input
from api.routes.monitors import filter_of
from api.schemas.monitor_changes import SELECTION, MonitorSelectionBody, SelectionResultView
from api.services import principal_of, services_of
from api.validation import read_model, refuse_nul
from shared.domain.change_results import Changed, Deleted
from shared.domain.monitor.monitor_changes import DeleteMonitor, MonitorChange, PauseMonitor
from shared.storage.monitor.monitor_store import MonitorStore

router = APIRouter(tags=["monitors"])

CHUNK = 500
MAX_SELECTED = 10_000
"""The most that one request changes by a selection; the client sends it again while there is more."""

_SELECTED: dict[str, Any] = {
    "response_model": SelectionResultView,
    "responses": problems(413, 415, 422),
    "openapi_extra": {"requestBody": request_body("MonitorSelectionBody")},
}


@router.post(f"{MONITORS_PATH}:pause", summary="Pause the monitors that are selected", **_SELECTED)
async def pause_selected(request: Request) -> Response:
    """Pause up to 10,000 of the monitors that are selected."""
    return await _change_selected(request, is_paused=False)


@router.post(f"{MONITORS_PATH}:resume", summary="Resume the monitors that are selected", **_SELECTED)
async def resume_selected(request: Request) -> Response:
    """Resume up to 10,000 of the monitors that are selected."""
    return await _change_selected(request, is_paused=True)


@router.post(f"{MONITORS_PATH}:delete", summary="Delete the monitors that are selected", **_SELECTED)
async def delete_selected(request: Request) -> Response:
    """Delete up to 10,000 of the monitors that are selected."""
    return await _change_selected(request, is_paused=None)


async def _change_selected(request: Request, *, is_paused: bool | None) -> Response:
    """Change what is selected in transactions of `CHUNK`: those that are paused are resumed, None deletes."""
    services = services_of(request)
    selection = await _read_selection(request)
    wanted = filter_of(selection, is_paused=is_paused)
    changed, is_more = 0, True
    while is_more and changed < MAX_SELECTED:
        async with services.context.database.transaction() as work:
            ids = await MonitorStore(work).list_ids(wanted, now=services.context.clock(), limit=CHUNK)
        changes: list[MonitorChange] = [
            DeleteMonitor(each) if is_paused is None else PauseMonitor(each, not is_paused) for each in ids
        ]
        results = await services.monitors.change(changes, by=principal_of(request).principal_id) if changes else []
        changed += sum(isinstance(result, Changed | Deleted) for result in results)
        is_more = len(ids) == CHUNK
    return json_response(request, {"changed": changed, "more": is_more})


async def _read_selection(request: Request) -> MonitorSelectionBody:
    body = await request.body()
    selection = read_model(SELECTION, body)
    refuse_nul(body)
    is_narrow = selection.model_fields_set - {"all"} and any(
        getattr(selection, name) not in (None, []) for name in selection.model_fields_set - {"all"}
    )
    if bool(is_narrow) == selection.all:
        raise invalid_input([{"detail": "say which monitors are meant, or send all: true alone", "pointer": ""}])
    return selection
