"""The pings of a heartbeat, as they came."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from api.answers import Answer, as_response
from api.openapi import problems
from api.paging import page_response, query_text
from api.problems import ProblemError, not_found
from api.schemas.pings import PingListQuery, PingPage, ping_json
from api.schemas.queries import limit_of
from api.services import services_of
from shared.storage.heartbeat.ping_store import KEPT_PINGS, PingStore

router = APIRouter(tags=["heartbeats"])

PINGS_PATH = "/api/v1/monitors/{monitor_id:uuid}/pings"
_MOST = 2**63 - 1
PingNumber = Annotated[int, Path(ge=1, le=_MOST, description="The ping's number.")]


@router.get(PINGS_PATH, response_model=PingPage, summary="List a heartbeat's pings", responses=problems(404, 422))
async def list_pings(monitor_id: UUID, query: Annotated[PingListQuery, Query()], request: Request) -> Response:
    """List the newest pings of a heartbeat, the newest first."""
    services = services_of(request)
    limit = limit_of(query.limit, default=50, most=KEPT_PINGS)
    filters = query_text(request)
    before = None if query.cursor is None else int(services.cursors.read(query.cursor, query=filters))
    async with services.context.database.transaction() as work:
        found = await PingStore(work).list_kept(monitor_id, before=before, limit=limit + 1)
    if found is None:
        raise no_heartbeat()
    page, next_cursor = services.cursors.cut(found, limit, place=lambda ping: b"%d" % ping.number, query=filters)
    return page_response(request, [ping_json(ping) for ping in page], next_cursor=next_cursor)


@router.get(
    f"{PINGS_PATH}/{{number}}/body",
    response_class=Response,
    summary="What came with a ping",
    responses={
        200: {"description": "The body, byte for byte.", "content": {"application/octet-stream": {}}},
        **problems(404, 422),
    },
)
async def show_body(monitor_id: UUID, number: PingNumber, request: Request) -> Response:
    """Tell what came with a ping, as it came; a browser saves it and does not show it."""
    async with services_of(request).context.database.transaction() as work:
        body = await PingStore(work).find_body(monitor_id, number)
    if body is None:
        raise not_found("There is no such ping, it had no body, or it is no longer kept.")
    headers = [
        (b"content-type", b"application/octet-stream"),
        (b"content-disposition", b"attachment"),
        (b"cache-control", b"private, no-store"),
    ]
    return as_response(Answer(200, headers, body))


def no_heartbeat() -> ProblemError:
    """The monitor is none, or nobody pings it."""
    return not_found("There is no heartbeat with this id.")
