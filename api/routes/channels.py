"""Channels: made, found, changed, switched off and deleted."""

from typing import Annotated, Any, cast
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from api.answers import no_content
from api.change_answers import headers_of, status_of
from api.channel_answers import CHANNEL, refusal_of, show_channel
from api.entity_tags import versions_asked_for, versions_demanded
from api.openapi import IF_MATCH_CHANNEL, IF_NONE_MATCH_CHANNEL, problems, request_body
from api.paging import page_response, query_text
from api.problems import invalid_input
from api.schemas.channels import CHANNELS_PATH, DISABLE, ChannelListQuery, ChannelPage, ChannelView, channel_json
from api.schemas.queries import limit_of
from api.services import principal_of, services_of
from api.validation import read_json, read_model, refuse_nul
from shared.domain.change_results import Done
from shared.domain.channel.channel_changes import (
    ChannelChange,
    CreateChannel,
    DeleteChannel,
    PatchChannel,
    PutChannel,
    SwitchChannel,
)
from shared.storage.channel.channel_reading import ChannelFilter, ChannelReading

router = APIRouter(tags=["channels"])

CHANNEL_PATH = f"{CHANNELS_PATH}/{{channel_id:uuid}}"
_SPEC_BODY = {"requestBody": request_body("ChannelSpec")}


@router.get(CHANNELS_PATH, response_model=ChannelPage, summary="List channels", responses=problems(422))
async def list_channels(query: Annotated[ChannelListQuery, Query()], request: Request) -> Response:
    """List channels in the order of their names."""
    services = services_of(request)
    limit = limit_of(query.limit, default=50, most=200)
    filters = query_text(request)
    after = services.cursors.read_text(query.cursor, query=filters)
    wanted = ChannelFilter(frozenset(query.kind), query.disabled, query.failing, query.q)
    async with services.context.database.transaction() as work:
        found = await ChannelReading(work).list_status(wanted, after=after, limit=limit + 1)
    page, next_cursor = services.cursors.cut(
        found, limit, place=lambda status: status.channel.name.encode(), query=filters
    )
    return page_response(request, [channel_json(status) for status in page], next_cursor=next_cursor)


@router.post(
    CHANNELS_PATH,
    status_code=201,
    response_model=ChannelView,
    summary="Make a channel",
    responses=problems(409, 413, 415, 422),
    openapi_extra=_SPEC_BODY,
)
async def create_channel(request: Request) -> Response:
    """Make a channel; there is one of a name, so that a repeat makes no second one."""
    return await _answer(request, CreateChannel(uuid7(), await read_document(request)))


@router.put(
    CHANNELS_PATH,
    response_model=ChannelView,
    summary="Make or change the channel of a name",
    responses={201: {"description": "There was none.", "model": ChannelView}, **problems(409, 413, 415, 422)},
    openapi_extra=_SPEC_BODY,
)
async def put_channel(request: Request) -> Response:
    """Make the channel, or make it as it is said: what is not given is as if it were made anew."""
    return await _answer(request, PutChannel(uuid7(), await read_document(request)))


@router.get(
    CHANNEL_PATH,
    response_model=ChannelView,
    summary="How a channel fares",
    responses={304: {"description": "It still has the entity tag you have."}, **problems(404)},
    openapi_extra={"parameters": [IF_NONE_MATCH_CHANNEL]},
)
async def show_one(channel_id: UUID, request: Request) -> Response:
    """Tell what a channel is, whether it works, and how many notices are on their way to it."""
    return await show_channel(request, channel_id)


@router.patch(
    CHANNEL_PATH,
    response_model=ChannelView,
    summary="Change a channel",
    responses=problems(404, 409, 412, 413, 415, 422, 428),
    openapi_extra={"requestBody": request_body("ChannelPatch"), "parameters": [IF_MATCH_CHANNEL]},
)
async def patch_channel(channel_id: UUID, request: Request) -> Response:
    """Change fields by a merge patch (RFC 7396); `***`, sent back as shown, stands for the secret that is kept."""
    versions = versions_demanded(request, noun="channel")
    return await _answer(request, PatchChannel(channel_id, await read_document(request), versions))


@router.delete(
    CHANNEL_PATH,
    status_code=204,
    summary="Delete a channel",
    responses={204: {"description": "It is deleted."}, **problems(404, 409, 412)},
    openapi_extra={"parameters": [IF_MATCH_CHANNEL]},
)
async def delete_channel(channel_id: UUID, request: Request) -> Response:
    """Delete a channel that no rule names. Resolves of what was told there are told there still."""
    await _change(request, DeleteChannel(channel_id, versions_asked_for(request)))
    return no_content()


@router.post(
    f"{CHANNEL_PATH}:disable",
    response_model=ChannelView,
    summary="Disable a channel",
    responses=problems(404, 413, 415, 422),
    openapi_extra={"requestBody": request_body("DisableBody") | {"required": False}},
)
async def disable_channel(channel_id: UUID, request: Request) -> Response:
    """Tell it of nothing more that fires; what is owed is told, and what still fires then once it is enabled."""
    body = await request.body()
    wanted = read_model(DISABLE, body or b"{}")
    refuse_nul(body)
    return await _answer(request, SwitchChannel(channel_id, is_enabled=False, reason=wanted.reason))


@router.post(f"{CHANNEL_PATH}:enable", response_model=ChannelView, summary="Enable a channel", responses=problems(404))
async def enable_channel(channel_id: UUID, request: Request) -> Response:
    """Tell it again, forgetting how often it failed."""
    return await _answer(request, SwitchChannel(channel_id, is_enabled=True))


async def read_document(request: Request) -> dict[str, Any]:
    """The object in the request's body.

    Raises:
        ProblemError: it is none.
    """
    body = await request.body()
    document = read_json(body)
    refuse_nul(body)
    if not isinstance(document, dict):
        raise invalid_input([{"detail": "a channel is an object", "pointer": ""}])
    return cast(dict[str, Any], document)


async def _change(request: Request, change: ChannelChange) -> Done:
    by = principal_of(request).principal_id
    result = await services_of(request).channels.change(change, by=by)
    if not isinstance(result, Done):
        raise refusal_of(result)
    return result


async def _answer(request: Request, change: ChannelChange) -> Response:
    """Carry a change out and show the channel."""
    done = await _change(request, change)
    return await show_channel(request, done.item_id, status=status_of(done), headers=headers_of(done, CHANNEL))
