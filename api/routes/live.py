"""Watching what happens as it happens."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import WebSocketRoute

from api.live.socket_route import watch_by_socket
from api.live.sse import EventStream
from api.openapi import problems
from api.schemas.live import LiveQuery
from api.services import services_of

router = APIRouter(tags=["live"])

EVENTS_PATH = "/api/v1/events"
SOCKET_PATH = "/api/v1/ws"
_STREAM: dict[str, Any] = {
    "description": "Events as they happen, without an end; docs/live.md tells what they carry.",
    "content": {"text/event-stream": {"schema": {"type": "string"}}},
}


@router.get(EVENTS_PATH, response_class=Response, summary="Watch live", responses={200: _STREAM, **problems(422)})
async def watch(
    query: Annotated[LiveQuery, Query()],
    request: Request,
    last_event_id: Annotated[str | None, Header(max_length=100, description="Go on after this event.")] = None,
) -> Response:
    """Stream samples, states and jobs as server-sent events; who comes back with the last id misses nothing."""
    after = last_event_id or query.last_event_id
    return EventStream(services_of(request).live, query.filter_of(), after=after)


router.routes.append(WebSocketRoute(SOCKET_PATH, watch_by_socket))
