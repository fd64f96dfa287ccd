"""Monitors: made, found, changed, paused and deleted one by one."""

from typing import Annotated, Any, cast
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from api.answers import no_content
from api.change_answers import headers_of, status_of
from api.entity_tags import versions_asked_for, versions_demanded
from api.monitor_answers import MONITOR, MONITORS_PATH, monitor_json, refusal_of
from api.monitor_reading import read_spec, show
from api.openapi import IF_MATCH_MONITOR, IF_NONE_MATCH_MONITOR, problems, request_body
from api.paging import page_response, query_text
from api.problems import invalid_input
from api.schemas.monitors import MonitorDetailView, MonitorListQuery, MonitorPage, MonitorSelection
from api.schemas.queries import limit_of
from api.services import principal_of, services_of
from api.validation import read_json, refuse_nul
from shared.domain.change_results import Done
from shared.domain.monitor.monitor_changes import (
    CreateMonitor,
    DeleteMonitor,
    MonitorChange,
    PatchMonitor,
    PauseMonitor,
    PutMonitor,
)
from shared.domain.monitor.selectors import parse_selector
from shared.storage.monitor.monitor_filter import MonitorFilter
from shared.storage.monitor.monitor_store import MonitorStatus, MonitorStore

router = APIRouter(tags=["monitors"])

MONITOR_PATH = f"{MONITORS_PATH}/{{monitor_id:uuid}}"
_SPEC_BODY = {"requestBody": request_body("MonitorSpec")}


@router.get(MONITORS_PATH, response_model=MonitorPage, summary="List monitors", responses=problems(422))
async def list_monitors(query: Annotated[MonitorListQuery, Query()], request: Request) -> Response:
    """List monitors in the order of groups and names."""
    services = services_of(request)
    limit = limit_of(query.limit, default=50, most=200)
    filters = query_text(request)
    after = None if query.cursor is None else _read_place(services.cursors.read(query.cursor, query=filters))
    async with services.context.database.transaction() as work:
        found = await MonitorStore(work).list_status(
            filter_of(query, is_paused=query.paused), now=services.context.clock(), after=after, limit=limit + 1
        )
    page, next_cursor = services.cursors.cut(found, limit, place=_place_of, query=filters)
    return page_response(request, [monitor_json(status) for status in page], next_cursor=next_cursor)


@router.post(
    MONITORS_PATH,
    status_code=201,
    response_model=MonitorDetailView,
    summary="Make a monitor",
    responses=problems(409, 413, 415, 422),
    openapi_extra=_SPEC_BODY,
)
async def create_monitor(request: Request) -> Response:
    """Make a monitor; a group has one of a name, so that a repeat makes no second one."""
    change = CreateMonitor(uuid7(), await read_spec(request))
    return await _answer(request, change)


@router.put(
    MONITORS_PATH,
    response_model=MonitorDetailView,
    summary="Make or change the monitor of a group and name",
    responses={201: {"description": "There was none.", "model": MonitorDetailView}, **problems(409, 413, 415, 422)},
    openapi_extra=_SPEC_BODY,
)
async def put_monitor(request: Request) -> Response:
    """Make the monitor, or make it as it is said: what is not given is as if it were made anew, but for `paused`."""
    change = PutMonitor(uuid7(), await read_spec(request))
    return await _answer(request, change)


@router.get(
    MONITOR_PATH,
    response_model=MonitorDetailView,
    summary="How a monitor stands",
    responses={304: {"description": "It still has the entity tag you have."}, **problems(404)},
    openapi_extra={"parameters": [IF_NONE_MATCH_MONITOR]},
)
async def show_monitor(monitor_id: UUID, request: Request) -> Response:
    """Tell what a monitor is, how it stands, and how much of the last 24 hours its target was up."""
    return await show(request, monitor_id)


@router.patch(
    MONITOR_PATH,
    response_model=MonitorDetailView,
    summary="Change a monitor",
    responses=problems(404, 409, 412, 413, 415, 422, 428),
    openapi_extra={"requestBody": request_body("MonitorPatch"), "parameters": [IF_MATCH_MONITOR]},
)
async def patch_monitor(monitor_id: UUID, request: Request) -> Response:
    """Change fields by a merge patch (RFC 7396); `***`, sent back as shown, stands for the secret that is kept."""
    versions = versions_demanded(request, noun="monitor")
    body = await request.body()
    refuse_nul(body)
    patch = read_json(body)
    if not isinstance(patch, dict):
        raise invalid_input([{"detail": "a merge patch of a monitor is an object", "pointer": ""}])
    return await _answer(request, PatchMonitor(monitor_id, cast(dict[str, Any], patch), versions))


@router.delete(
    MONITOR_PATH,
    status_code=204,
    summary="Delete a monitor",
    responses={204: {"description": "It is deleted."}, **problems(404, 412)},
    openapi_extra={"parameters": [IF_MATCH_MONITOR]},
)
async def delete_monitor(monitor_id: UUID, request: Request) -> Response:
    """Delete a monitor with its timeline; its samples stay as long as samples are kept."""
    await change_one(request, DeleteMonitor(monitor_id, versions_asked_for(request)))
    return no_content()


@router.post(
    f"{MONITOR_PATH}:pause", response_model=MonitorDetailView, summary="Pause a monitor", responses=problems(404)
)
async def pause_monitor(monitor_id: UUID, request: Request) -> Response:
    """Stop looking, until it is resumed; the time in between counts neither for nor against the target."""
    return await _answer(request, PauseMonitor(monitor_id, is_paused=True))


@router.post(
    f"{MONITOR_PATH}:resume", response_model=MonitorDetailView, summary="Resume a monitor", responses=problems(404)
)
async def resume_monitor(monitor_id: UUID, request: Request) -> Response:
    """Look again, from the next slot on."""
    return await _answer(request, PauseMonitor(monitor_id, is_paused=False))


def filter_of(selection: MonitorSelection, *, is_paused: bool | None) -> MonitorFilter:
    """The monitors that are selected."""
    return MonitorFilter(
        labels=parse_selector(selection.label),
        group=selection.group,
        kinds=frozenset(selection.kind),
        states=frozenset(selection.state),
        owner=selection.owner,
        name_part=selection.q,
        is_paused=is_paused,
    )


async def change_one(request: Request, change: MonitorChange) -> Done:
    """Carry one change out.

    Raises:
        ProblemError: it was not made.
    """
    by = principal_of(request).principal_id
    (result,) = await services_of(request).monitors.change([change], by=by)
    if not isinstance(result, Done):
        raise refusal_of(result)
    return result


async def _answer(request: Request, change: MonitorChange) -> Response:
    """Carry a change out and show the monitor."""
    done = await change_one(request, change)
    return await show(request, done.item_id, status=status_of(done), headers=headers_of(done, MONITOR))


def _place_of(status: MonitorStatus) -> bytes:
    return f"{status.monitor.group}\0{status.monitor.name}".encode()


def _read_place(place: bytes) -> tuple[str, str]:
    group, _, name = place.decode().partition("\0")
    return group, name
