"""Whole sets of monitors, as files have them: planned, shown, and applied just as shown."""

import asyncio
from typing import TypeVar

from fastapi import APIRouter
from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from api import problem_kinds
from api.monitor_answers import refusal_of as reason_of
from api.openapi import problems, request_body
from api.paging import json_response
from api.problems import ProblemError, invalid_input, no_secret_key
from api.schemas.monitor_plans import APPLY, PLAN, MonitorPlanBody, MonitorPlanView, plan_json, read_wanted
from api.services import principal_of, services_of
from api.validation import read_model, refuse_nul
from shared.domain.change_results import Done
from shared.domain.monitor.monitor_plans import MonitorPlan
from shared.domain.monitor.monitors import MonitorSpec
from shared.services.monitor.monitor_plans import MonitorPlans, PlanConflictError, PlanOutdatedError, WantedMonitorError
from shared.services.monitor.monitors import ChangesRefusedError
from shared.vault import NoSecretKeyError, UnreadableSecretError

router = APIRouter(tags=["monitors"])

PLAN_PATH = "/api/v1/monitors:plan"
APPLY_PATH = "/api/v1/monitors:apply"

BodyT = TypeVar("BodyT", bound=MonitorPlanBody)


@router.post(
    PLAN_PATH,
    response_model=MonitorPlanView,
    summary="Plan a set of monitors",
    responses=problems(409, 413, 415, 422),
    openapi_extra={"requestBody": request_body("MonitorPlanBody")},
)
async def plan_monitors(request: Request) -> Response:
    """Tell what would change if the monitors of an owner were these; nothing is changed."""
    body = await request.body()
    asked, wanted = await asyncio.to_thread(_read, PLAN, body)
    try:
        plan = await _plans(request).plan(wanted, owner=asked.owner, adopts=asked.adopt)
    except (WantedMonitorError, NoSecretKeyError, UnreadableSecretError) as error:
        raise refusal_of(error) from error
    return await asyncio.to_thread(_write, request, plan)


@router.post(
    APPLY_PATH,
    response_model=MonitorPlanView,
    summary="Apply a plan",
    responses=problems(409, 413, 415, 422),
    openapi_extra={"requestBody": request_body("MonitorApplyBody")},
)
async def apply_monitors(request: Request) -> Response:
    """Carry out the plan whose digest is given, whole and in one transaction, unless anything moved since."""
    body = await request.body()
    asked, wanted = await asyncio.to_thread(_read, APPLY, body)
    by = principal_of(request).principal_id
    try:
        plan = await _plans(request).apply(wanted, owner=asked.owner, adopts=asked.adopt, digest=asked.digest, by=by)
    except (
        WantedMonitorError,
        NoSecretKeyError,
        UnreadableSecretError,
        PlanOutdatedError,
        PlanConflictError,
        ChangesRefusedError,
    ) as error:
        raise refusal_of(error) from error
    return await asyncio.to_thread(_write, request, plan)


def refusal_of(error: Exception) -> ProblemError:
    """Why nothing was planned or changed."""
    match error:
        case WantedMonitorError():
            pointer = f"/monitors/{error.index}{error.error.pointer}"
            return invalid_input([{"detail": error.error.detail, "pointer": pointer}])
        case PlanOutdatedError():
            return ProblemError(problem_kinds.PLAN_OUTDATED, "What there is has changed since; nothing was changed.")
        case PlanConflictError():
            conflicts = plan_json(error.plan)["changes"]
            return ProblemError(
                problem_kinds.PLAN_CONFLICT, "Nothing was changed; see changes.", members={"changes": conflicts}
            )
        case ChangesRefusedError():
            return reason_of(next(each for each in error.results if not isinstance(each, Done)))
        case _:
            return no_secret_key(error)


def _read(adapter: TypeAdapter[BodyT], body: bytes) -> tuple[BodyT, list[MonitorSpec]]:
    """What is asked, and the monitors that it speaks of: for a thread, ten thousand of them take half a second."""
    refuse_nul(body)
    asked = read_model(adapter, body)
    return asked, read_wanted(asked.monitors)


def _write(request: Request, plan: MonitorPlan) -> Response:
    return json_response(request, plan_json(plan))


def _plans(request: Request) -> MonitorPlans:
    services = services_of(request)
    return MonitorPlans(services.monitors, services.context.vault)
