"""Queues: how they stand, how many workers they need; pausing, draining and resuming them."""

from typing import Any

from fastapi import APIRouter
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response

from api.openapi import problems, request_body
from api.paging import json_response, page_response
from api.schemas.queues import (
    QUEUE_BODY,
    QUEUE_REASON,
    QueueList,
    QueueName,
    QueueView,
    ScalingView,
    queue_json,
    scaling_json,
)
from api.services import principal_of, services_of
from api.validation import read_model, refuse_nul
from shared.domain.fleet.queues import decide_intake, forecast_drain
from shared.domain.fleet.scaling import decide_scaling
from shared.domain.job.jobs import JobKind
from shared.services.fleet.queues import QueueReading

router = APIRouter(tags=["queues"])

QUEUES_PATH = "/api/v1/queues"
QUEUE_PATH = f"{QUEUES_PATH}/{{queue:queue}}"


class _QueueConvertor(StringConvertor):
    """A queue's name; what stands behind a colon is a verb."""

    regex = "[^/:]+"


register_url_convertor("queue", _QueueConvertor())

_STEERED: dict[str, Any] = {
    "response_model": QueueView,
    "responses": problems(413, 415, 422),
    "openapi_extra": {"requestBody": request_body("QueueReason") | {"required": False}},
}


@router.get(QUEUES_PATH, response_model=QueueList, summary="List queues", responses=problems())
async def list_queues(request: Request) -> Response:
    """Tell how each queue stands."""
    reading = await services_of(request).queues.current()
    return page_response(request, [_shown(request, kind, reading) for kind in JobKind], next_cursor=None)


@router.get(QUEUE_PATH, response_model=QueueView, summary="How a queue stands", responses=problems(422))
async def show_queue(queue: QueueName, request: Request) -> Response:
    """Tell how a queue stands, and when it will be empty."""
    return await _answer(request, queue)


@router.get(
    f"{QUEUE_PATH}/scaling",
    response_model=ScalingView,
    summary="How many workers a queue needs",
    responses=problems(422),
)
async def show_scaling(queue: QueueName, request: Request) -> Response:
    """Tell how many workers the queue should have, why, and what else limits it; for autoscalers."""
    queues = services_of(request).queues
    reading = await queues.current()
    figures, settings = reading.figures[queue], reading.settings[queue]
    intake = decide_intake(figures, settings, count=1, default_limit=queues.default_limit)
    scaling = decide_scaling(
        figures,
        slots_per_worker=queues.slots[queue],
        is_paused=settings.paused_at is not None,
        is_refusing=intake.refusal is not None,
    )
    return json_response(request, scaling_json(queue, figures, scaling))


@router.put(
    QUEUE_PATH,
    response_model=QueueView,
    summary="Set how many jobs may wait in a queue",
    responses=problems(413, 415, 422),
    openapi_extra={"requestBody": request_body("QueueBody")},
)
async def put_queue(queue: QueueName, request: Request) -> Response:
    """Set the queue's admission limit; every API process follows within seconds."""
    wanted = read_model(QUEUE_BODY, await request.body())
    await services_of(request).queues.set_admission_limit(queue, wanted.admission_limit)
    return await _answer(request, queue)


@router.post(f"{QUEUE_PATH}:pause", summary="Start nothing of a queue", **_STEERED)
async def pause_queue(queue: QueueName, request: Request) -> Response:
    """Start no more jobs of the queue; what runs goes on, what is submitted waits. Twice changes the reason only."""
    return await _steer(request, queue, is_paused=True)


@router.post(f"{QUEUE_PATH}:drain", summary="Take nothing more into a queue", **_STEERED)
async def drain_queue(queue: QueueName, request: Request) -> Response:
    """Refuse submissions to the queue while what is there is worked off, also if it was paused."""
    return await _steer(request, queue, is_paused=False, is_draining=True)


@router.post(f"{QUEUE_PATH}:resume", summary="End a pause and a drain", **_STEERED)
async def resume_queue(queue: QueueName, request: Request) -> Response:
    """Take and start jobs of the queue again; what the pause held back is let go within a second."""
    return await _steer(request, queue, is_paused=False, is_draining=False)


async def _steer(
    request: Request, kind: JobKind, *, is_paused: bool | None = None, is_draining: bool | None = None
) -> Response:
    body = await request.body() or b"{}"
    wanted = read_model(QUEUE_REASON, body)
    refuse_nul(body)
    await services_of(request).queues.set_flow(
        kind,
        is_paused=is_paused,
        is_draining=is_draining,
        by=principal_of(request).principal_id,
        reason=wanted.reason,
    )
    return await _answer(request, kind)


async def _answer(request: Request, kind: JobKind) -> Response:
    reading = await services_of(request).queues.current()
    return json_response(request, _shown(request, kind, reading))


def _shown(request: Request, kind: JobKind, reading: QueueReading) -> dict[str, object]:
    figures, settings = reading.figures[kind], reading.settings[kind]
    return queue_json(
        kind,
        figures,
        settings,
        forecast=forecast_drain(figures, settings),
        admission_limit=settings.admission_limit or services_of(request).queues.default_limit,
    )
