"""How channels are written into answers, and why a change of one was not made."""

from typing import assert_never
from uuid import UUID

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from api import problem_kinds
from api.answers import Headers
from api.entity_tags import etag_of, not_modified, tagged_json
from api.problems import ProblemError, invalid_input, no_secret_key, not_found
from api.schemas.channels import CHANNELS_PATH, channel_json
from api.services import services_of
from api.validation import validation_problem
from shared.domain.alert.channel_changes import (
    ChannelInUse,
    ChannelNameTaken,
    ChannelNotDone,
    ChannelNotSealed,
    ChannelUnknown,
    ChannelVersionDiffers,
    InvalidChannel,
    NamingRule,
    TooManyChannels,
)
from shared.domain.alert.channels import MAX_CHANNELS
from shared.domain.monitor.target_documents import WrongPlaceError
from shared.services.alert.channel_changing import NAMED_RULES
from shared.storage.alert.channel_reading import ChannelReading


async def show_channel(
    request: Request, channel_id: UUID, *, status: int = 200, headers: Headers | None = None
) -> Response:
    """Answer with the channel, or that it still is what `If-None-Match` names.

    Raises:
        ProblemError: there is none.
    """
    async with services_of(request).context.database.transaction() as work:
        found = await ChannelReading(work).find_status(channel_id)
    if found is None:
        raise no_channel()
    shown = channel_json(found)
    etag = etag_of(shown)
    return not_modified(request, etag) or tagged_json(shown, etag, status=status, headers=headers)


def no_channel() -> ProblemError:
    """There is no such channel."""
    return not_found("There is no channel with this id.")


def refusal_of(refused: ChannelNotDone) -> ProblemError:
    """Why a change was not made."""
    match refused:
        case InvalidChannel(error=error):
            return invalid_channel(error)
        case ChannelNotSealed(message=message):
            return no_secret_key(message)
        case _:
            return _refusal_by_state(refused)


def _refusal_by_state(
    refused: ChannelUnknown | ChannelNameTaken | ChannelVersionDiffers | ChannelInUse | TooManyChannels,
) -> ProblemError:
    match refused:
        case ChannelUnknown():
            return no_channel()
        case ChannelNameTaken(holder_id=holder_id):
            return ProblemError(
                problem_kinds.CHANNEL_EXISTS,
                "Another channel has this name.",
                members={"channel": f"{CHANNELS_PATH}/{holder_id}", "id": str(holder_id)},
            )
        case ChannelVersionDiffers(version=version):
            return ProblemError(
                problem_kinds.PRECONDITION_FAILED,
                "The channel no longer has the version that the request is meant for.",
                members={"version": version},
            )
        case ChannelInUse(rules=rules):
            return _in_use(rules)
        case TooManyChannels():
            return ProblemError(problem_kinds.TOO_MANY_CHANNELS, f"There may be {MAX_CHANNELS:,} channels at most.")
        case _:
            assert_never(refused)


def invalid_channel(error: ValidationError | WrongPlaceError) -> ProblemError:
    """The document is no channel."""
    if isinstance(error, WrongPlaceError):
        return invalid_input([{"detail": error.detail, "pointer": error.pointer}])
    return validation_problem(error)


def _in_use(rules: tuple[NamingRule, ...]) -> ProblemError:
    count = f"more than {NAMED_RULES}" if len(rules) > NAMED_RULES else str(len(rules))
    return ProblemError(
        problem_kinds.CHANNEL_IN_USE,
        f"Rules name the channel: {count}, of which `rules` lists the first ones.",
        members={"rules": [{"id": str(rule.rule_id), "name": rule.name} for rule in rules[:NAMED_RULES]]},
    )
