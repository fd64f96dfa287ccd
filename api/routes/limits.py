"""Limits that jobs share by a key: how many run at once, how many are started in a time."""

from typing import Annotated

import orjson
from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from api.answers import Answer, as_response, no_content
from api.openapi import problems, request_body
from api.paging import json_response, page_response, query_text
from api.problems import ProblemError, not_found
from api.schemas.limits import LIMIT_BODY, LimitKey, LimitListQuery, LimitPage, LimitView, SettableLimitKey, limit_json
from api.schemas.queries import limit_of
from api.services import services_of
from api.validation import read_model
from shared.storage.fleet.limit_store import LimitStatus, LimitStore

router = APIRouter(tags=["limits"])

LIMITS_PATH = "/api/v1/limits"
LIMIT_PATH = f"{LIMITS_PATH}/{{key:path}}"
"""A key may hold slashes."""


@router.get(LIMITS_PATH, response_model=LimitPage, summary="List limits", responses=problems(422))
async def list_limits(query: Annotated[LimitListQuery, Query()], request: Request) -> Response:
    """List the limits in the order of their keys."""
    services = services_of(request)
    limit = limit_of(query.limit, default=100, most=200)
    filters = query_text(request)
    after = services.cursors.read_text(query.cursor, query=filters)
    async with services.context.database.transaction() as work:
        found = await LimitStore(work).list_status(after=after, limit=limit + 1)
    page, next_cursor = services.cursors.cut(
        found, limit, place=lambda status: status.limit.key.encode(), query=filters
    )
    return page_response(request, [limit_json(status) for status in page], next_cursor=next_cursor)


@router.get(LIMIT_PATH, response_model=LimitView, summary="How a limit stands", responses=problems(404, 422))
async def show_limit(key: LimitKey, request: Request) -> Response:
    """Tell what is allowed to the jobs of a key, and how many of them run and are held back."""
    async with services_of(request).context.database.transaction() as work:
        status = await LimitStore(work).find_status(key)
    if status is None:
        raise no_limit()
    return json_response(request, limit_json(status))


@router.put(
    LIMIT_PATH,
    response_model=LimitView,
    summary="Set a limit",
    responses={201: {"description": "The key had no limit before.", "model": LimitView}, **problems(413, 415, 422)},
    openapi_extra={"requestBody": request_body("LimitBody")},
)
async def put_limit(key: SettableLimitKey, request: Request) -> Response:
    """Set what is allowed to the jobs of a key; what a wider limit no longer holds is let go within a second."""
    wanted = read_model(LIMIT_BODY, await request.body())
    async with services_of(request).context.database.transaction() as work:
        limits = LimitStore(work)
        is_new = await limits.put(wanted.limit_of(key))
        status: LimitStatus | None = await limits.find_status(key)
    if status is None:
        raise no_limit()
    body = orjson.dumps(limit_json(status), option=orjson.OPT_UTC_Z)
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"private, no-store")]
    return as_response(Answer(201 if is_new else 200, headers, body))


@router.delete(
    LIMIT_PATH,
    status_code=204,
    summary="Lift a limit",
    responses={204: {"description": "It is lifted."}, **problems(404, 422)},
)
async def delete_limit(key: SettableLimitKey, request: Request) -> Response:
    """Lift the limit of a key; what it held is let go within a second."""
    async with services_of(request).context.database.transaction() as work:
        is_lifted = await LimitStore(work).delete(key)
    if not is_lifted:
        raise no_limit()
    return no_content()


def no_limit() -> ProblemError:
    """The key has no limit."""
    return not_found("There is no limit under this key; its jobs run freely.")
