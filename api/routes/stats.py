"""Statistics of what was collected."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, cast

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from api.openapi import problems
from api.paging import json_response
from api.problems import invalid_input
from api.schemas.queries import MonitorStatsRequest, StatsRequest, WindowQuery, labels_of
from api.schemas.stats import StatsView, answer_json
from api.services import ApiServices, services_of
from shared.domain.sample.statistics import GroupBy, StatsAnswer, StatsQuery, StatsQueryError, UnknownMetricError

router = APIRouter(tags=["statistics"])

DEFAULT_WINDOW = timedelta(hours=1)


@router.get("/api/v1/stats", response_model=StatsView, summary="Statistics", responses=problems(422))
async def show_stats(query: Annotated[StatsRequest, Query()], request: Request) -> Response:
    """Count, mean, extremes, percentiles and outcomes over any window, by kind, target, monitor or label."""
    services = services_of(request)
    answer = await answer_to(services, question_of(query, now=services.context.clock()))
    return json_response(request, answer_json(answer))


async def answer_to(services: ApiServices, question: StatsQuery) -> StatsAnswer:
    """The answer to a question.

    Raises:
        ProblemError: it has none.
    """
    try:
        return await services.context.statistics.query(question)
    except UnknownMetricError as error:
        raise invalid_input([{"detail": str(error), "parameter": "metric"}]) from None
    except StatsQueryError as error:
        raise invalid_input([{"detail": str(error)}]) from None


def question_of(query: StatsRequest, *, now: datetime) -> StatsQuery:
    """What the query's parameters ask.

    Raises:
        ProblemError: start, end and window are all given.
    """
    group_by, _, group_label = query.by.partition(":")
    return replace(
        plain_question_of(query, now=now),
        kind=query.kind,
        target=query.target,
        labels=labels_of(query.label),
        monitors=tuple(query.monitor),
        group=query.group,
        group_by=cast(GroupBy, group_by),
        group_label=group_label or None,
    )


def plain_question_of(query: MonitorStatsRequest, *, now: datetime) -> StatsQuery:
    """What the parameters ask that do not choose series.

    Raises:
        ProblemError: start, end and window are all given.
    """
    start, end = window_of(query, now)
    percentiles = tuple(float(text) for text in query.percentiles.split(","))
    return StatsQuery(start, end, metric=query.metric, bucket=query.bucket, percentiles=percentiles)


def window_of(query: WindowQuery, now: datetime) -> tuple[datetime, datetime]:
    """From when to when; an hour until now unless told.

    Raises:
        ProblemError: start, end and window are all given.
    """
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
