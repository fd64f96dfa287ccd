"""Looking at once: at a monitor that there is, and at one that is only tried out."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from api import problem_kinds
from api.monitor_answers import MONITORS_PATH
from api.monitor_reading import find_status, read_spec
from api.openapi import PREFER, problems, request_body
from api.problems import ProblemError, no_secret_key
from api.routes.job_submission import answer_accepted, count_result, refusal_of
from api.routes.monitors import MONITOR_PATH
from api.schemas.jobs import JobView
from api.services import principal_of, services_of
from shared.domain.heartbeat.heartbeats import HeartbeatTarget
from shared.domain.job.jobs import DEFAULT_MAX_ATTEMPTS, JobKind, NewJob
from shared.domain.job.submissions import Accepted, Submission
from shared.domain.monitor.rounds import encode_round
from shared.domain.monitor.slots import Visit
from shared.domain.monitor.target_documents import document_of
from shared.telemetry import current_trace
from shared.vault import NoSecretKeyError

router = APIRouter(tags=["monitors"])

STALE_AFTER = timedelta(minutes=5)
"""A look that was asked for and not begun by then is of no use to who asked."""
PRIORITY = 9
"""Somebody waits for it."""

_ANSWERS: dict[str, Any] = {"status_code": 202, "response_model": JobView}
_DONE: dict[int | str, dict[str, Any]] = {
    200: {"description": "Done in the time of `Prefer: wait`; `result.readings` has what was found.", "model": JobView}
}


@router.post(
    f"{MONITOR_PATH}:run",
    summary="Look at a monitor now",
    responses=_DONE | problems(404, 409),
    openapi_extra={"parameters": [PREFER]},
    **_ANSWERS,
)
async def run_monitor(monitor_id: UUID, request: Request) -> Response:
    """Look now, outside the schedule: the state may change by it, statistics do not."""
    services = services_of(request)
    monitor = (await find_status(services, monitor_id)).monitor
    if monitor.kind == "heartbeat":
        raise _not_collected()
    visit = Visit(monitor_id, monitor.version, services.context.clock(), is_manual=True)
    return await _submit(request, JobKind.ROUND, encode_round([visit]))


@router.post(
    f"{MONITORS_PATH}:test",
    summary="Try a monitor out without making it",
    responses=_DONE | problems(409, 413, 415, 422),
    openapi_extra={"requestBody": request_body("MonitorSpec"), "parameters": [PREFER]},
    **_ANSWERS,
)
async def try_monitor(request: Request) -> Response:
    """Collect the target once, and keep nothing of it but the job."""
    spec = await read_spec(request)
    if isinstance(spec.target, HeartbeatTarget):
        raise _not_collected()
    job = {"targets": [document_of(spec.target)], "is_test": True}
    try:
        sealed = services_of(request).job_secrets.seal_targets([spec.target], job)
    except NoSecretKeyError as error:
        raise no_secret_key(error) from None
    return await _submit(request, JobKind.COLLECT, orjson.dumps(sealed).decode())


async def _submit(request: Request, kind: JobKind, spec: str) -> Response:
    services = services_of(request)
    services.admission.check(kind)
    now = services.context.clock()
    trace = current_trace()
    job = NewJob(
        job_id=uuid7(),
        kind=kind,
        spec=spec,
        run_at=now,
        max_attempts=DEFAULT_MAX_ATTEMPTS[kind],
        principal_id=principal_of(request).principal_id,
        priority=PRIORITY,
        expires_at=now + STALE_AFTER,
        traceparent=None if trace is None else str(trace),
    )
    result = await services.context.submission.submit(Submission(job))
    count_result(services, job, result)
    if not isinstance(result, Accepted):
        raise refusal_of(result)
    return await answer_accepted(request, result)


def _not_collected() -> ProblemError:
    return ProblemError(problem_kinds.NOT_COLLECTED, "The monitor is a heartbeat, which nobody looks at.")
