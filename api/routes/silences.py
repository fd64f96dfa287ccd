"""Silences: alerts that are not told of for a while."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from api.answers import no_content, unkept_json
from api.openapi import problems, request_body
from api.paging import json_response, page_response, query_text
from api.problems import ProblemError, not_found
from api.schemas.queries import limit_of
from api.schemas.silences import (
    SILENCE_BODY,
    SILENCE_PATCH,
    MakeQuery,
    SilenceDetailView,
    SilenceListQuery,
    SilencePage,
    SilencePreview,
    preview_json,
    silence_json,
)
from api.services import ApiServices, principal_of, services_of
from api.suppression_problems import check_not_everything, check_span, has_ended, too_many, wrong_span
from api.validation import read_model, refuse_nul
from shared.domain.matchers import Matchers
from shared.domain.suppression.planned_spans import SpanError
from shared.domain.suppression.silences import MAX_SILENCES, Silence
from shared.services.suppression.suppression_bounds import HasEndedError, TooManyError
from shared.storage.suppression.silence_store import SilenceStore

router = APIRouter(tags=["silences"])

SILENCES_PATH = "/api/v1/silences"
SILENCE_PATH = f"{SILENCES_PATH}/{{silence_id:uuid}}"


@router.get(SILENCES_PATH, response_model=SilencePage, summary="List silences", responses=problems(422))
async def list_silences(query: Annotated[SilenceListQuery, Query()], request: Request) -> Response:
    """List silences, the newest first; those that expired stay for 400 days."""
    services = services_of(request)
    limit = limit_of(query.limit, default=100, most=200)
    filters = query_text(request)
    after = services.cursors.read_id(query.cursor, query=filters)
    now = services.silences.now()
    async with services.context.database.transaction() as work:
        found = await SilenceStore(work).list_page(query.state, now=now, after=after, limit=limit + 1)
    page, next_cursor = services.cursors.cut(found, limit, place=lambda each: each.silence_id.bytes, query=filters)
    return page_response(request, [silence_json(each, now=now) for each in page], next_cursor=next_cursor)


@router.get(SILENCE_PATH, response_model=SilenceDetailView, summary="Show a silence", responses=problems(404, 422))
async def show_silence(silence_id: UUID, request: Request) -> Response:
    """Show a silence, and how many firing alerts it matches now."""
    services = services_of(request)
    async with services.context.database.transaction() as work:
        silence = await SilenceStore(work).find(silence_id)
    if silence is None:
        raise _no_silence()
    return json_response(request, await _detail_of(services, silence))


@router.post(
    SILENCES_PATH,
    status_code=201,
    response_model=SilenceDetailView,
    summary="Make a silence",
    responses={
        200: {"description": "What it would mean; nothing was made.", "model": SilencePreview},
        **problems(409, 413, 415, 422),
    },
    openapi_extra={"requestBody": request_body("SilenceBody")},
)
async def make_silence(query: Annotated[MakeQuery, Query()], request: Request) -> Response:
    """Let nobody be told of alerts that match, for a while; they are judged all the same."""
    services = services_of(request)
    body = await request.body()
    wanted = read_model(SILENCE_BODY, body).change
    refuse_nul(body)
    check_span(wanted.ends_at, wanted.duration)
    check_not_everything(wanted.matchers, field="matchers")
    try:
        silence = services.silences.plan(wanted, by=principal_of(request).principal_id)
        if query.validate_only:
            firing = await _count_firing(services, silence.matchers)
            return json_response(request, preview_json(silence, firing=firing))
        await services.silences.make(silence)
    except SpanError as error:
        raise wrong_span(error) from None
    except TooManyError:
        raise too_many("silences that have not expired", MAX_SILENCES) from None
    location = f"{SILENCES_PATH}/{silence.silence_id}"
    return unkept_json(await _detail_of(services, silence), status=201, location=location)


@router.patch(
    SILENCE_PATH,
    response_model=SilenceDetailView,
    summary="Change a silence",
    responses=problems(404, 409, 413, 415, 422),
    openapi_extra={"requestBody": request_body("SilencePatch")},
)
async def change_silence(silence_id: UUID, request: Request) -> Response:
    """Change a silence that has not expired: which alerts, until when, why."""
    services = services_of(request)
    body = await request.body()
    change = read_model(SILENCE_PATCH, body).change
    refuse_nul(body)
    check_span(change.ends_at, change.duration)
    check_not_everything(change.matchers, field="matchers")
    try:
        silence = await services.silences.change(silence_id, change)
    except SpanError as error:
        raise wrong_span(error) from None
    except HasEndedError:
        raise has_ended("silence") from None
    if silence is None:
        raise _no_silence()
    return unkept_json(await _detail_of(services, silence))


@router.delete(
    SILENCE_PATH,
    status_code=204,
    summary="End a silence",
    responses={204: {"description": "It has expired."}, **problems(404)},
)
async def end_silence(silence_id: UUID, request: Request) -> Response:
    """Let a silence expire now; what still fires is told within seconds. Doing it twice changes nothing."""
    if not await services_of(request).silences.end(silence_id):
        raise _no_silence()
    return no_content()


async def _detail_of(services: ApiServices, silence: Silence) -> dict[str, object]:
    firing = await _count_firing(services, silence.matchers)
    return silence_json(silence, now=services.silences.now()) | {"firing": firing}


async def _count_firing(services: ApiServices, matchers: Matchers) -> int:
    async with services.context.database.transaction() as work:
        return await SilenceStore(work).count_firing(matchers)


def _no_silence() -> ProblemError:
    return not_found("There is no silence with this id.")
