"""Alerts: found, looked at, acknowledged."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from api import problem_kinds
from api.alert_answers import alert_json, event_json, summary_json
from api.entity_tags import not_modified, tagged_json
from api.openapi import IF_NONE_MATCH_ALERT, problems, request_body
from api.paging import json_response, page_response, query_text
from api.problems import ProblemError, invalid_input, not_found
from api.schemas.alerts import (
    ACKNOWLEDGE,
    ALERTS_PATH,
    BULK_ACKNOWLEDGE,
    AcknowledgeBody,
    AlertDetailView,
    AlertListQuery,
    AlertPage,
    AlertSummaryView,
    AlertView,
    BulkAcknowledgedView,
)
from api.schemas.queries import limit_of
from api.services import principal_of, services_of
from api.validation import read_model, refuse_nul
from shared.services.alert.alerts import Acknowledged, NotHandled
from shared.storage.alert.alert_event_store import AlertEvent, AlertEventStore
from shared.storage.alert.alert_reading import AlertReading, KeptAlert

router = APIRouter(tags=["alerts"])

ALERT_PATH = f"{ALERTS_PATH}/{{alert_id:uuid}}"
_NOTE_BODY = {"requestBody": request_body("AcknowledgeBody") | {"required": False}}


@router.get(ALERTS_PATH, response_model=AlertPage, summary="List alerts", responses=problems(422))
async def list_alerts(query: Annotated[AlertListQuery, Query()], request: Request) -> Response:
    """List alerts, the newest first; those that ended without having fired only when they are asked for."""
    services = services_of(request)
    limit = limit_of(query.limit, default=50, most=200)
    filters = query_text(request)
    after = services.cursors.read_id(query.cursor, query=filters)
    wanted = query.filter_of(has_fired=query.fired, is_acknowledged=query.acknowledged)
    async with services.context.database.transaction() as work:
        page = await AlertReading(work).list_page(wanted, after=after, limit=limit)
    next_cursor = None if page.last is None else services.cursors.write(page.last.bytes, query=filters)
    return page_response(request, [alert_json(alert) for alert in page.alerts], next_cursor=next_cursor)


@router.get(
    f"{ALERTS_PATH}/summary",
    response_model=AlertSummaryView,
    summary="How many alerts are open",
    responses=problems(),
)
async def summarise_alerts(request: Request) -> Response:
    """Tell how many alerts fire and how many pend, in all and by severity."""
    return json_response(request, summary_json(await services_of(request).alerts.count_open()))


@router.get(
    ALERT_PATH,
    response_model=AlertDetailView,
    summary="How an alert stands",
    responses={304: {"description": "It still has the entity tag you have."}, **problems(404)},
    openapi_extra={"parameters": [IF_NONE_MATCH_ALERT]},
)
async def show_alert(alert_id: UUID, request: Request) -> Response:
    """Tell what an alert is about, why it is in its state, and what happened to it."""
    async with services_of(request).context.database.transaction() as work:
        alert = await AlertReading(work).find(alert_id)
        events = [] if alert is None else await AlertEventStore(work).list_latest(alert_id)
    if alert is None:
        raise no_alert()
    etag = _etag_of(alert, events)
    shown = alert_json(alert) | {"events": [event_json(event) for event in events]}
    return not_modified(request, etag) or tagged_json(shown, etag)


@router.post(
    f"{ALERT_PATH}:acknowledge",
    response_model=AlertView,
    summary="Acknowledge an alert",
    responses=problems(404, 409, 413, 415, 422),
    openapi_extra=_NOTE_BODY,
)
async def acknowledge_alert(alert_id: UUID, request: Request) -> Response:
    """Say that you have seen it: no reminder and no escalation follow. Who was first stands."""
    body = await request.body()
    note = (read_model(ACKNOWLEDGE, body) if body else AcknowledgeBody()).note
    refuse_nul(body)
    by = principal_of(request).name
    return _shown(request, await services_of(request).alerts.acknowledge(alert_id, by=by, note=note))


@router.post(
    f"{ALERT_PATH}:unacknowledge",
    response_model=AlertView,
    summary="Take an acknowledgement back",
    responses=problems(404, 409),
)
async def unacknowledge_alert(alert_id: UUID, request: Request) -> Response:
    """Take it back, whoever gave it: reminders and escalation go on."""
    by = principal_of(request).name
    return _shown(request, await services_of(request).alerts.unacknowledge(alert_id, by=by))


@router.post(
    f"{ALERTS_PATH}:acknowledge",
    response_model=BulkAcknowledgedView,
    summary="Acknowledge many alerts",
    responses=problems(413, 415, 422),
    openapi_extra={"requestBody": request_body("BulkAcknowledgeBody")},
)
async def acknowledge_alerts(request: Request) -> Response:
    """Acknowledge up to 1,000 open alerts: those of the ids, or those that are meant by `where`."""
    body = await request.body()
    wanted = read_model(BULK_ACKNOWLEDGE, body)
    refuse_nul(body)
    by, alerts = principal_of(request).name, services_of(request).alerts
    match wanted.ids, wanted.where:
        case (list() as ids, None):
            done = Acknowledged(await alerts.acknowledge_many(ids, by=by, note=wanted.note), is_more=False)
        case (None, where) if where is not None:
            done = await alerts.acknowledge_matching(where.filter_of(), by=by, note=wanted.note)
        case _:
            raise invalid_input([{"detail": "say which alerts are meant, by ids or by where", "pointer": ""}])
    return json_response(request, {"acknowledged": done.alerts, "more": done.is_more})


def no_alert() -> ProblemError:
    """There is no such alert."""
    return not_found("There is no alert with this id.")


def _shown(request: Request, found: KeptAlert | NotHandled) -> Response:
    if found is NotHandled.UNKNOWN:
        raise no_alert()
    if found is NotHandled.RESOLVED:
        raise ProblemError(problem_kinds.ALERT_RESOLVED, "The alert has been resolved.")
    return json_response(request, alert_json(found))


def _etag_of(alert: KeptAlert, events: list[AlertEvent]) -> bytes:
    """Its version, and what happened last: an escalation changes its history alone."""
    latest = events[-1].event_id if events else 0
    return f'"{alert.version}.{latest}"'.encode()
