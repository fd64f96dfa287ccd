"""A channel as it is kept: where people are told, and how; what is told is `notices`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from shared.domain.durations import Duration
from shared.domain.fleet.limits import Limit, Rate
from shared.domain.forms import CLOCK_TIME, GROUPED_LABEL
from shared.domain.matchers import MatcherText
from shared.domain.monitor.monitors import Timezone
from shared.domain.numbers import WHOLE

MAX_CHANNELS = 1_000
MAX_WAIT = timedelta(days=7)
RESERVED_LIMITS = "channel:"
"""Keys of limits that begin so belong to channels."""
EACH_ALERT = "..."
"""In `group_by`, as in Alertmanager: each alert is a group of its own."""

_TEMPLATE = Annotated[str, Field(max_length=20_000)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


class QuietHours(_Model):
    """Times of the week in which firings below a severity are not told; what still fires afterwards is told then."""

    start: Annotated[str, Field(pattern=CLOCK_TIME, examples=["22:00"])]
    end: Annotated[str, Field(pattern=CLOCK_TIME, examples=["07:00"])]
    """Before `start` it is on the next day."""
    timezone: Timezone = "UTC"
    days: Annotated[
        list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]],
        Field(max_length=7, description="On which it begins; all when empty."),
    ] = Field(default_factory=list)
    below: Annotated[
        Literal["warning", "critical", "all"], Field(description="Which severities are quiet: those below this one.")
    ] = "critical"


class RateLimit(_Model):
    """At most so many notices in a time."""

    notices: Annotated[int, Field(ge=1, le=10_000), WHOLE]
    per: Annotated[Duration, Field(ge=timedelta(seconds=1), le=timedelta(days=1))]


class Templates(_Model):
    """A channel's own words, in Jinja's language; each of them stands for the built-in one."""

    title: _TEMPLATE | None = None
    text: _TEMPLATE | None = None
    html: _TEMPLATE | None = None
    body: Annotated[_TEMPLATE | None, Field(description="A webhook's whole body, JSON.")] = None


class ChannelOptions(_Model):
    """How a channel is told; the words and defaults of Alertmanager's route, with shorter waits."""

    group_by: Annotated[list[Annotated[str, Field(pattern=GROUPED_LABEL)]], Field(max_length=22)] = Field(
        default_factory=lambda: ["alertname"]
    )
    group_wait: Annotated[
        Duration, Field(le=MAX_WAIT, description="How long a group's first notice waits for others.")
    ] = timedelta(seconds=5)
    group_interval: Annotated[Duration, Field(le=MAX_WAIT, description="Between two notices of a group.")] = timedelta(
        minutes=1
    )
    repeat_interval: Annotated[
        Annotated[Duration, Field(ge=timedelta(minutes=1), le=timedelta(days=31))] | None,
        Field(description="After which time what still fires is told again; null for never."),
    ] = timedelta(hours=4)
    quiet_hours: Annotated[list[QuietHours], Field(max_length=20)] = Field(default_factory=list)
    rate_limit: RateLimit | None = None
    templates: Templates = Templates()
    matchers: Annotated[
        MatcherText | None, Field(description="Alerts that are told here though no rule names the channel.")
    ] = None

    @model_validator(mode="after")
    def _is_grouping_plain(self) -> Self:
        if EACH_ALERT in self.group_by and len(self.group_by) > 1:
            raise PydanticCustomError("group_by", 'give "..." alone, or names of labels')
        return self


@dataclass(frozen=True, slots=True)
class KeptChannel:
    """A channel as it stands; `shown` is its configuration without secrets. `failures` are tries in a row."""

    channel_id: UUID
    name: str
    kind: str
    shown: Mapping[str, Any]
    options: ChannelOptions
    owner: str | None
    disabled_at: datetime | None
    disabled_reason: str | None
    failing_since: datetime | None
    failures: int
    delivered_at: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime
    created_by: str


def limit_key_of(channel_id: UUID) -> str:
    """Under which limit the jobs run that tell a channel which has a rate; nobody else may name it."""
    return f"{RESERVED_LIMITS}{channel_id}"


def limit_of_channel(channel_id: UUID, options: ChannelOptions) -> Limit:
    """What a channel's rate allows to the jobs that tell it; no rate allows any."""
    rate = options.rate_limit
    return Limit(limit_key_of(channel_id), rate=None if rate is None else Rate(rate.notices, rate.per))
