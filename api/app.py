"""The application: the framework for routes and their description, the hot path and the front before it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp

from api.access_log import AccessLog
from api.answers import as_response
from api.exchange import exchange_of
from api.front import Front
from api.gate import Gate
from api.hot_path import HotPath
from api.openapi import describe
from api.ping_doors import PingDoors
from api.problems import ProblemError, method_not_allowed, problem_answer, problem_of
from api.routes import (
    alerts,
    backtest,
    capacity,
    channel_trials,
    channels,
    coverage,
    diagnostics,
    errors,
    explain,
    export,
    health,
    inbound,
    inhibitions,
    job_batches,
    job_family,
    job_history,
    job_submission,
    jobs,
    keys,
    limits,
    live,
    maintenance,
    monitor_batches,
    monitor_plans,
    monitor_runs,
    monitor_selections,
    monitor_stats,
    monitors,
    notices,
    overview,
    ping_keys,
    pings,
    problems,
    queues,
    requeue,
    rule_versions,
    rules,
    secrets,
    silences,
    stats,
    storage,
    timelines,
    uptime,
    workers,
)
from api.services import ApiServices, Listening
from shared.services.job.admission import QueueDrainingError, QueueFullError
from shared.services.job.job_submission import OverloadedError
from shared.storage.errors import StorageUnavailableError

# Routing is a walk along the list, so that what is asked most often stands first.
_ROUTERS = (
    job_submission.router,
    jobs.router,
    job_batches.router,
    job_history.router,
    job_family.router,
    monitors.router,
    monitor_batches.router,
    monitor_plans.router,
    monitor_runs.router,
    monitor_selections.router,
    monitor_stats.router,
    timelines.router,
    requeue.router,
    errors.router,
    stats.router,
    export.router,
    storage.router,
    uptime.router,
    overview.router,
    alerts.router,
    explain.router,
    rules.router,
    rule_versions.router,
    backtest.router,
    silences.router,
    inhibitions.router,
    maintenance.router,
    health.router,
    keys.router,
    diagnostics.router,
    workers.router,
    queues.router,
    limits.router,
    channels.router,
    channel_trials.router,
    notices.router,
    inbound.router,
    secrets.router,
    live.router,
    coverage.router,
    capacity.router,
    pings.router,
    ping_keys.router,
    problems.router,
)
_TOLD = (
    Exception,
    HTTPException,
    RequestValidationError,
    ProblemError,
    OverloadedError,
    QueueFullError,
    QueueDrainingError,
    StorageUnavailableError,
)
DESCRIPTION = """\
Monitors are looked at again and again by any number of workers; how they stand, how long they were up and what was
measured is asked for here, or watched live. What is to be done once, collecting or notifying, is a job.

Every error is a problem of RFC 9457. Unknown fields and parameters are refused. An `Idempotency-Key` makes a
submission repeatable for 24 hours.
"""


def create_app(services: ApiServices, *, access_log: AccessLog) -> ASGIApp:
    """Make the application of one process."""
    settings = services.context.settings
    gate = Gate(
        services.authentication,
        max_body_bytes=settings.max_body_bytes,
        is_metrics_open=settings.is_loopback,
    )
    return Front(
        PingDoors(
            HotPath(make_framework(services, access_log), services.reading),
            services.heartbeats,
            services.ping_keyring,
            provision=services.provisioning.ensure,
            body_limit=settings.ping_body_limit,
        ),
        gate,
        metrics=services.metrics,
        access_log=access_log,
        max_body_bytes=settings.max_body_bytes,
    )


def make_framework(services: ApiServices, access_log: AccessLog) -> FastAPI:
    """The framework with all routes, flat in one list."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with Listening(services):
            yield
        access_log.flush()

    app = _Framework(
        title="Tocsin",
        description=DESCRIPTION,
        version=version("tocsin"),
        openapi_url="/openapi.json",
        # The pages would load from a foreign host.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        exception_handlers=dict.fromkeys(_TOLD, tell_problem),
    )
    app.state.services = services
    for router in _ROUTERS:
        app.router.routes.extend(router.routes)
    return app


class _Framework(FastAPI):
    """FastAPI with our own description of the API."""

    def openapi(self) -> dict[str, Any]:
        """The description, made once."""
        if self.openapi_schema is None:
            self.openapi_schema = describe(self)
        return self.openapi_schema


async def tell_problem(request: Request, error: Exception) -> Response:
    """Answer with the problem that the error means; what is not expected is raised again for the front to log."""
    request_id = exchange_of(request.scope).request_id
    problem = problem_of(error)
    if isinstance(error, HTTPException) and error.status_code == 405:  # noqa: PLR2004 - its name says it below
        problem = method_not_allowed(allowed_methods(request))
    return as_response(problem_answer(problem, request_id=request_id))


def allowed_methods(request: Request) -> str:
    """All methods that the path knows; the framework would name the first route's only."""
    scope: Mapping[str, Any] = request.scope
    found: set[str] = set()
    for route in request.app.router.routes:
        if route.matches(scope)[0] is not Match.NONE:
            found |= route.methods or set()
    if "GET" in found:
        found.add("HEAD")
    return ", ".join(sorted(found))
