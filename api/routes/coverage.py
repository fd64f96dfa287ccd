"""Coverage: which slots were collected, on time, and why the others were not."""

from typing import Annotated, cast

import orjson
from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from api.openapi import problems
from api.paging import page_response, query_text
from api.schemas.coverage import ORDERS, CoveragePage, CoverageQuery, beside_json, monitor_coverage_json
from api.schemas.queries import limit_of
from api.services import services_of
from shared.domain.monitor.selectors import parse_selector
from shared.storage.monitor.coverage_store import CoverageQuestion, Place
from shared.storage.monitor.monitor_filter import MonitorFilter

router = APIRouter(tags=["monitors"])

COVERAGE_PATH = "/api/v1/coverage"


@router.get(COVERAGE_PATH, response_model=CoveragePage, summary="Which slots were collected", responses=problems(422))
async def show_coverage(query: Annotated[CoverageQuery, Query()], request: Request) -> Response:
    """Tell of all slots of a time, and of each monitor's, what became of them; monitors that fared worst come first."""
    services = services_of(request)
    limit = limit_of(query.limit, default=50, most=200)
    filters = query_text(request)
    after = None if query.cursor is None else _place_of(services.cursors.read(query.cursor, query=filters))
    question = CoverageQuestion(
        wanted=MonitorFilter(labels=parse_selector(query.label), group=query.group),
        monitor_id=query.monitor,
        order=ORDERS[query.order],
        after=after,
        limit=limit + 1,
    )
    answer, places = await services.coverage.read(question, window=query.window)
    next_cursor = None
    if len(answer.items) > limit:
        next_cursor = services.cursors.write(orjson.dumps(places[limit - 1]), query=filters)
    items = [monitor_coverage_json(item) for item in answer.items[:limit]]
    return page_response(request, items, next_cursor=next_cursor, beside=beside_json(answer))


def _place_of(cursor: bytes) -> Place:
    first, second = orjson.loads(cursor)
    return cast("Place", (first, second))
