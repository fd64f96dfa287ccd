"""What channels look like, and how they are asked for."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from api.schemas.jobs import View
from api.schemas.queries import Cursor, QueryModel
from shared.domain.channel.channel_health import is_circuit_open
from shared.domain.channel.channels import ChannelOptions, QuietHours, RateLimit, Templates
from shared.domain.forms import PRINTABLE
from shared.storage.channel.channel_reading import ChannelStatus

CHANNELS_PATH = "/api/v1/channels"

ChannelKind = Literal["webhook", "email", "apprise", "alertmanager", "pagerduty", "slack"]
_Text = Annotated[str, Field(max_length=200, pattern=PRINTABLE)]


class ChannelListQuery(QueryModel):
    """Which channels to list."""

    kind: list[ChannelKind] = Field(default_factory=list, max_length=6, description="Any of these kinds.")
    disabled: Annotated[bool | None, Field(description="Only those that are disabled, or only the others.")] = None
    failing: Annotated[bool | None, Field(description="Only those whose last try failed, or only the others.")] = None
    q: Annotated[_Text | None, Field(min_length=1, description="A part of the name, in any case.")] = None
    limit: int = Field(default=50, ge=0, description="At most 200; more is cut, 0 is the default.")
    cursor: Cursor = None


class DisableBody(BaseModel):
    """Why a channel is told no more."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    reason: Annotated[_Text | None, Field(description="Shown wherever it holds something back.")] = None


DISABLE: TypeAdapter[DisableBody] = TypeAdapter(DisableBody)


class ChannelHealthView(View):
    """How the tries at telling a channel went."""

    failing_since: datetime | None = Field(description="Since when no try was delivered; null while it works.")
    failures: int = Field(description="Tries in a row that were not delivered.")
    delivered_at: datetime | None = Field(description="When a notice was last delivered, to the second.")
    circuit_open: bool = Field(description="Whether only one try in a while goes through.")
    waiting: int = Field(description="Notices on their way.")


class ChannelLinks(View):
    """Where more is told about a channel."""

    self: str
    notices: str


class ChannelView(View):
    """A channel and how it fares, with its kind's own fields. Secrets are shown as `***`."""

    model_config = ConfigDict(frozen=True, extra="allow")

    id: UUID
    name: str
    kind: ChannelKind
    group_by: list[str]
    group_wait: str
    group_interval: str
    repeat_interval: str | None
    quiet_hours: list[QuietHours]
    rate_limit: RateLimit | None
    templates: Templates
    matchers: str | None
    disabled_at: datetime | None
    disabled_reason: str | None
    health: ChannelHealthView
    version: int = Field(description="Grows with each change of the channel; the entity tag begins with it.")
    created_at: datetime
    updated_at: datetime
    created_by: str
    links: ChannelLinks


class ChannelPage(View):
    """Channels in the order of their names."""

    items: list[ChannelView]
    next_cursor: str | None = Field(description="Leads to the next page; null is the only sign of the end.")


def channel_json(status: ChannelStatus) -> dict[str, Any]:
    """A channel as `ChannelView` describes it."""
    channel = status.channel
    path = f"{CHANNELS_PATH}/{channel.channel_id}"
    return {
        "id": str(channel.channel_id),
        "name": channel.name,
        **channel.shown,
        **_options_json(channel.options),
        "disabled_at": channel.disabled_at,
        "disabled_reason": channel.disabled_reason,
        "health": {
            "failing_since": channel.failing_since,
            "failures": channel.failures,
            "delivered_at": channel.delivered_at,
            "circuit_open": is_circuit_open(channel.failures),
            "waiting": status.waiting,
        },
        "version": channel.version,
        "created_at": channel.created_at,
        "updated_at": channel.updated_at,
        "created_by": channel.created_by,
        "links": {"self": path, "notices": f"/api/v1/notices?channel={channel.channel_id}"},
    }


def _options_json(options: ChannelOptions) -> dict[str, Any]:
    return options.model_dump(mode="json")
