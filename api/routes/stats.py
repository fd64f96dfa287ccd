"""Statistics of what was collected."""

from datetime import datetime, timedelta
from typing import Annotated, cast

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from api.openapi import problems
from api.paging import json_response
from api.problems import invalid_input
from api.schemas.queries import StatsRequest, labels_of
from api.schemas.stats import StatsView, answer_json
from api.services import services_of
from shared.domain.statistics import GroupBy, StatsQuery, StatsQueryError, UnknownMetricError

router = APIRouter(tags=["statistics"])

DEFAULT_WINDOW = timedelta(hours=1)


@router.get("/api/v1/stats", response_model=StatsView, summary="Statistics", responses=problems(422))
async def show_stats(query: Annotated[StatsRequest, Query()], request: Request) -> Response:
    """Count, mean, extremes, percentiles and outcomes over any window, by kind, target or label."""
    services = services_of(request)
    try:
        answer = await services.context.statistics.query(question_of(query, now=services.context.clock()))
    except UnknownMetricError as error:
        raise invalid_input([{"detail": str(error), "parameter": "metric"}]) from None
    except StatsQueryError as error:
        raise invalid_input([{"detail": str(error)}]) from None
    return json_response(request, answer_json(answer))


def question_of(query: StatsRequest, *, now: datetime) -> StatsQuery:
    """What the query's parameters ask.

    Raises:
        ProblemError: start, end and window are all given.
    """
    group_by, _, group_label = query.by.partition(":")
    start, end = _window_of(query, now)
    return StatsQuery(
        start=start,
        end=end,
        kind=query.kind,
        target=query.target,
        labels=labels_of(query.label),
        metric=query.metric,
        bucket=query.bucket,
        group_by=cast(GroupBy, group_by),
        group_label=group_label or None,
        percentiles=tuple(float(text) for text in query.percentiles.split(",")),
    )


def _window_of(query: StatsRequest, now: datetime) -> tuple[datetime, datetime]:
    if query.start is None:
        end = query.end or now
        window = DEFAULT_WINDOW if query.window is None else query.window
        return end - _at_most_since_1970(window, end), end
    if query.window is None:
        return query.start, query.end or now
    if query.end is not None:
        raise invalid_input([{"detail": "give two of start, end and window", "parameter": "window"}])
    return query.start, query.start + query.window


def _at_most_since_1970(window: timedelta, end: datetime) -> timedelta:
    """The window, cut where time stamps begin, so that none is too long to compute with."""
    return min(window, timedelta(seconds=end.timestamp()))
