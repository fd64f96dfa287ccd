"""Notices: what was told on which channel, each try, and telling anew what was given up."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from api import problem_kinds
from api.openapi import problems, request_body
from api.paging import json_response, page_response, query_text
from api.problems import ProblemError, invalid_input, not_found
from api.schemas.notices import (
    BULK_REDELIVER,
    NOTICES_PATH,
    NoticeDetailView,
    NoticeListQuery,
    NoticePage,
    NoticeView,
    RedeliveredView,
    notice_json,
    try_json,
)
from api.schemas.queries import limit_of
from api.services import principal_of, services_of
from api.validation import read_model, refuse_nul
from shared.domain.notice.redelivery import RedeliveryFilter, Refusal
from shared.services.notice.redelivery import NotRedelivered
from shared.storage.channel.channel_store import ChannelStore
from shared.storage.database import UnitOfWork
from shared.storage.notice.notice_reading import NoticeFilter, NoticeReading

router = APIRouter(tags=["notices"])

NOTICE_PATH = f"{NOTICES_PATH}/{{notice_id:uuid}}"
_WHY = {
    Refusal.STATE: "Only what failed or was cancelled is told anew",
    Refusal.GROUP_BUSY: "Another notice of its group is on its way, behind which it can be redelivered",
    Refusal.CHANNEL_DISABLED: "Its channel is disabled",
    Refusal.CHANNEL_DELETED: "Its channel was deleted",
}


@router.get(NOTICES_PATH, response_model=NoticePage, summary="List notices", responses=problems(422))
async def list_notices(query: Annotated[NoticeListQuery, Query()], request: Request) -> Response:
    """List notices, the newest first."""
    services = services_of(request)
    limit = limit_of(query.limit, default=50, most=200)
    filters = query_text(request)
    before = services.cursors.read_id(query.cursor, query=filters)
    async with services.context.database.transaction() as work:
        wanted = NoticeFilter(
            channel_id=await _channel_of(work, query.channel, {"parameter": "channel"}),
            states=frozenset(query.state),
            kinds=frozenset(query.kind),
            alert_id=query.alert,
            since=query.since,
            until=query.until,
        )
        found = await NoticeReading(work).list_status(wanted, before=before, limit=limit + 1)
    page, next_cursor = services.cursors.cut(found, limit, place=lambda notice: notice.notice_id.bytes, query=filters)
    return page_response(request, [notice_json(notice) for notice in page], next_cursor=next_cursor)


@router.get(NOTICE_PATH, response_model=NoticeDetailView, summary="Show a notice", responses=problems(404))
async def show_notice(notice_id: UUID, request: Request) -> Response:
    """Tell what a notice says, of which alerts, and how each try at telling it went."""
    async with services_of(request).context.database.transaction() as work:
        reading = NoticeReading(work)
        notice = await reading.find_status(notice_id)
        if notice is None:
            raise _no_notice()
        content = await reading.find_content(notice_id)
        tries = await reading.list_tries(notice.job_id)
    shown = notice_json(notice) | {"content": content, "tries": [try_json(tried) for tried in tries]}
    return json_response(request, shown)


@router.post(
    f"{NOTICE_PATH}:redeliver",
    response_model=NoticeView,
    summary="Tell a notice anew",
    responses=problems(404, 409),
)
async def redeliver_notice(notice_id: UUID, request: Request) -> Response:
    """Tell anew what was given up, in the words it had and under the same id."""
    services = services_of(request)
    answer = await services.redelivery.redeliver(notice_id, by=principal_of(request).principal_id)
    if answer is None:
        raise _no_notice()
    if isinstance(answer, NotRedelivered):
        raise _refusal_of(answer)
    async with services.context.database.transaction() as work:
        notice = await NoticeReading(work).find_status(notice_id)
    if notice is None:
        raise _no_notice()
    return json_response(request, notice_json(notice))


@router.post(
    f"{NOTICES_PATH}:redeliver",
    response_model=RedeliveredView,
    summary="Tell failed notices anew",
    responses=problems(413, 415, 422),
    openapi_extra={"requestBody": request_body("BulkRedeliverBody")},
)
async def redeliver_notices(request: Request) -> Response:
    """Tell anew what was given up, up to 200 at a time and of each group the oldest; `more` says that others wait."""
    services = services_of(request)
    body = await request.body()
    wanted = read_model(BULK_REDELIVER, body)
    refuse_nul(body)
    async with services.context.database.transaction() as work:
        channel_id = await _channel_of(work, wanted.channel, {"pointer": "/channel"})
    done = await services.redelivery.redeliver_all(
        RedeliveryFilter(channel_id, wanted.since, wanted.until), by=principal_of(request).principal_id
    )
    return json_response(request, {"redelivered": done.count, "more": done.has_more})


async def _channel_of(work: UnitOfWork, name: str | None, place: dict[str, str]) -> UUID | None:
    """The channel of a name or id; an id may be that of a deleted one."""
    if name is None:
        return None
    channel_id = await ChannelStore(work).find_id(name) or _id_in(name)
    if channel_id is None:
        raise invalid_input([{"detail": "there is no channel of this name", **place}])
    return channel_id


def _id_in(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _no_notice() -> ProblemError:
    return not_found("There is no notice with this id.")


def _refusal_of(answer: NotRedelivered) -> ProblemError:
    return ProblemError(
        problem_kinds.NOT_REDELIVERABLE,
        f"{_WHY[answer.refusal]}.",
        members={"reason": answer.refusal.value, "state": answer.letter.state.value},
    )
