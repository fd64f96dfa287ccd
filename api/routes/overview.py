"""How all monitors stand, at one look."""

from typing import Annotated

import orjson
from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from api.openapi import IF_NONE_MATCH, Documented, problems
from api.paging import query_text
from api.routes.monitors import filter_of
from api.schemas.overview import (
    OverviewGroupQuery,
    OverviewGroupsView,
    OverviewQuery,
    OverviewView,
    group_json,
)
from api.schemas.queries import limit_of
from api.services import services_of

router = APIRouter(tags=["overview"])

OVERVIEW_PATH = "/api/v1/overview"
MOST_AT_ONCE = 20_000
"""How many monitors the whole overview has at most: some 20 MB."""
MAX_GROUPS = 1_000
_TAGGED = {"parameters": [IF_NONE_MATCH | {"description": "The entity tag you have: 304 if nothing has changed."}]}
_UNCHANGED: Documented = {304: {"description": "It still has the entity tag you have."}}


@router.get(
    OVERVIEW_PATH,
    response_model=OverviewView,
    summary="How monitors stand",
    responses={**_UNCHANGED, **problems(422)},
    openapi_extra=_TAGGED,
)
async def show_overview(query: Annotated[OverviewQuery, Query()], request: Request) -> Response:
    """Tell of each monitor how it stands, its latest samples and its uptime, and of all how many are in which state.

    The answer is up to a second old.
    """
    services = services_of(request)
    filters = query_text(request)
    after = None if query.cursor is None else _read_place(services.cursors.read(query.cursor, query=filters))
    limit = MOST_AT_ONCE if query.whole else limit_of(query.limit, default=100, most=1000)

    async def write() -> bytes:
        page = await services.overview.page(filter_of(query, is_paused=None), after=after, limit=limit)
        last = page.items[-1] if page.has_more else None
        place = None if last is None else f"{last.group}\0{last.name}".encode()
        next_cursor = None if place is None else services.cursors.write(place, query=filters)
        return await services.overview_writer.page_json(page, next_cursor=next_cursor)

    return await services.kept_answers.answer(request, write)


@router.get(
    f"{OVERVIEW_PATH}/groups",
    response_model=OverviewGroupsView,
    summary="How groups of monitors stand",
    responses={**_UNCHANGED, **problems(422)},
    openapi_extra=_TAGGED,
)
async def show_groups(query: Annotated[OverviewGroupQuery, Query()], request: Request) -> Response:
    """Count the monitors of each group, or with each value of a label, by state. The answer is up to a second old."""
    services = services_of(request)
    by, _, label = query.by.partition(":")

    async def write() -> bytes:
        found = await services.overview.groups(
            filter_of(query, is_paused=None), label=label or None, limit=MAX_GROUPS + 1
        )
        items = [group_json(group, by=by) for group in found[:MAX_GROUPS]]
        return orjson.dumps({"items": items, "truncated": len(found) > MAX_GROUPS})

    return await services.kept_answers.answer(request, write)


def _read_place(place: bytes) -> tuple[str, str]:
    group, _, name = place.decode().partition("\0")
    return group, name
