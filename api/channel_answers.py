"""How channels are written into answers, and why a change of one was not made."""

from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from api import problem_kinds
from api.answers import Headers
from api.change_answers import Noun, invalid_document, refusal_of_change
from api.entity_tags import etag_of, not_modified, tagged_json
from api.problems import ProblemError
from api.schemas.channels import CHANNELS_PATH, channel_json
from api.services import services_of
from shared.domain.channel.channel_changes import ChannelInUse, ChannelNotDone, InvalidChannel, NamingRule
from shared.domain.channel.channels import MAX_CHANNELS
from shared.services.channel.channel_changing import NAMED_RULES
from shared.storage.channel.channel_reading import ChannelReading

CHANNEL = Noun(
    "channel",
    CHANNELS_PATH,
    MAX_CHANNELS,
    exists=problem_kinds.CHANNEL_EXISTS,
    too_many=problem_kinds.TOO_MANY_CHANNELS,
)


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
        raise CHANNEL.none_found()
    shown = channel_json(found)
    etag = etag_of(shown)
    return not_modified(request, etag) or tagged_json(shown, etag, status=status, headers=headers)


def refusal_of(refused: ChannelNotDone) -> ProblemError:
    """Why a change was not made."""
    match refused:
        case InvalidChannel(error=error):
            return invalid_document(error)
        case ChannelInUse(rules=rules):
            return _in_use(rules)
        case _:
            return refusal_of_change(refused, CHANNEL)


def _in_use(rules: tuple[NamingRule, ...]) -> ProblemError:
    count = f"more than {NAMED_RULES}" if len(rules) > NAMED_RULES else str(len(rules))
    return ProblemError(
        problem_kinds.CHANNEL_IN_USE,
        f"Rules name the channel: {count}, of which `rules` lists the first ones.",
        members={"rules": [{"id": str(rule.rule_id), "name": rule.name} for rule in rules[:NAMED_RULES]]},
    )
