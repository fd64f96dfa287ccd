"""Doors for other monitoring systems: their alerts are told of as ours are.

With the path prefix `/api/v1/inbound` a Prometheus takes this server for an Alertmanager.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from api import problem_kinds
from api.openapi import problems, request_body
from api.paging import json_response
from api.problems import ProblemError, invalid_input
from api.schemas.inbound import (
    ALERTS,
    ENVELOPE,
    SENT_ALERT,
    WEBHOOK_ALERT,
    InboundQuery,
    InboundView,
    SentAlert,
)
from api.services import services_of
from api.validation import MAX_ERRORS, mistakes_of, read_model
from shared.domain.alert.inbound import RESOLVE_TIMEOUT, WEBHOOK_LASTS, InboundAct, InboundAlert
from shared.services.alert.inbound import MAX_OPEN, TooManyInboundError

router = APIRouter(tags=["alerts"])

INBOUND_PATH = "/api/v1/inbound"
YIELD_EVERY = 200
"""Alerts judged in one go; ten thousand would hold up every other request."""


@router.post(
    f"{INBOUND_PATH}/api/v2/alerts",
    response_model=InboundView,
    summary="Take alerts in as an Alertmanager does",
    responses=problems(409, 413, 415, 422),
    openapi_extra={"requestBody": request_body("InboundAlerts")},
)
async def take_prometheus_alerts(query: Annotated[InboundQuery, Query()], request: Request) -> Response:
    """Take alerts in from a Prometheus whose `alerting` names this server with the path prefix `/api/v1/inbound`."""
    return await take_alerts(query, request)


@router.post(
    f"{INBOUND_PATH}/alerts",
    response_model=InboundView,
    summary="Take alerts in",
    responses=problems(409, 413, 415, 422),
    openapi_extra={"requestBody": request_body("InboundAlerts")},
)
async def take_alerts(query: Annotated[InboundQuery, Query()], request: Request) -> Response:
    """Take alerts in: they fire until they are over, or are no longer repeated. A repeat fires nothing anew."""
    sent = read_model(ALERTS, await request.body())
    alerts, mistakes = await _judge(SENT_ALERT, sent, prefix="")
    return await _take(request, alerts, mistakes, lasts=query.expires_in or RESOLVE_TIMEOUT)


@router.post(
    f"{INBOUND_PATH}/alertmanager",
    response_model=InboundView,
    summary="Take an Alertmanager's webhook in",
    responses=problems(409, 413, 415, 422),
    openapi_extra={"requestBody": request_body("AlertmanagerWebhook")},
)
async def take_webhook(query: Annotated[InboundQuery, Query()], request: Request) -> Response:
    """Take alerts in from an Alertmanager's `webhook_configs`, version 4; set `send_resolved`, which is the default."""
    envelope = read_model(ENVELOPE, await request.body())
    alerts, mistakes = await _judge(WEBHOOK_ALERT, envelope.alerts, prefix="/alerts")
    return await _take(request, alerts, mistakes, lasts=query.expires_in or WEBHOOK_LASTS)


async def _judge(
    adapter: TypeAdapter[SentAlert], sent: Sequence[Any], *, prefix: str
) -> tuple[list[InboundAlert], list[dict[str, str]]]:
    """The alerts that can be taken, and what is wrong with the others."""
    alerts: list[InboundAlert] = []
    mistakes: list[dict[str, str]] = []
    for place, each in enumerate(sent):
        try:
            alerts.append(adapter.validate_python(each).inbound())
        except ValidationError as error:
            mistakes += mistakes_of(error, prefix=f"{prefix}/{place}")
        if place % YIELD_EVERY == YIELD_EVERY - 1:
            await asyncio.sleep(0)
    return alerts, mistakes


async def _take(
    request: Request, alerts: Sequence[InboundAlert], mistakes: list[dict[str, str]], *, lasts: timedelta
) -> Response:
    """Take what can be taken; who sent something wrong too is told what, and what became of the rest."""
    try:
        acts = await services_of(request).inbound.receive(alerts, lasts=lasts)
    except TooManyInboundError:
        detail = f"{MAX_OPEN:,} alerts that were sent in fire already; nothing of this request was taken."
        raise ProblemError(problem_kinds.TOO_MANY_INBOUND, detail) from None
    counts = {act.value: acts[act] for act in InboundAct}
    if mistakes:
        refused = invalid_input(mistakes[:MAX_ERRORS])
        detail = f"{refused.detail} Taken all the same: {len(alerts)}."
        raise ProblemError(refused.kind, detail, members=refused.members | counts)
    return json_response(request, counts)
