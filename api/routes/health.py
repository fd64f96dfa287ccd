"""Whether the process lives, whether it can work, and what it counts."""

from typing import Literal

import orjson
from fastapi import APIRouter
from prometheus_client.exposition import choose_encoder
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from api.answers import Answer, as_response
from api.services import services_of

router = APIRouter(tags=["health"])

RETRY_AFTER_SECONDS = 2


class LivenessView(BaseModel):
    """The event loop answers."""

    status: Literal["alive"]


class ReadinessView(BaseModel):
    """`degraded`: without Redis submissions are kept and run later. `unavailable` comes with 503."""

    status: Literal["ready", "degraded", "unavailable"]
    database: str
    redis: str


@router.get("/livez", response_model=LivenessView, summary="Whether the process lives")
async def show_liveness() -> Response:
    """Answer as long as the event loop turns."""
    return as_response(_uncached(200, {"status": "alive"}))


@router.get(
    "/readyz",
    response_model=ReadinessView,
    summary="Whether the process can do its work",
    responses={503: {"description": "The database is away, or its schema is old.", "model": ReadinessView}},
)
async def show_readiness(request: Request) -> Response:
    """Answer 200 while submissions are kept, 503 otherwise."""
    services = services_of(request)
    report = await services.readiness.check()
    shown = {"status": report.status, "database": report.database, "redis": report.redis}
    if report.status != "unavailable" and not services.waiting.is_closed:
        return as_response(_uncached(200, shown))
    answer = _uncached(503, shown | {"status": "unavailable"})
    answer.headers.append((b"retry-after", b"%d" % RETRY_AFTER_SECONDS))
    return as_response(answer)


@router.get("/metrics", include_in_schema=False)
async def show_metrics(request: Request) -> Response:
    """Write the series in the format that Prometheus asks for."""
    services = services_of(request)
    services.metrics.pending.set(services.context.submission.pending)
    services.metrics.waiters.set(services.waiting.count)
    await services.census.refresh()
    encode, content_type = choose_encoder(request.headers.get("accept", ""))
    body = encode(services.metrics.registry)
    return as_response(Answer(200, [(b"content-type", content_type.encode())], body))


def _uncached(status: int, value: object) -> Answer:
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    return Answer(status, headers, orjson.dumps(value))
