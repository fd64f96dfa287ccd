"""Heartbeats: what is watched tells us itself that it lives, and silence is what is wrong."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.domain.durations import Duration
from shared.domain.forms import SLUG

Slug = Annotated[str, Field(min_length=1, max_length=100, pattern=SLUG)]
"""The readable name in a ping URL, as Healthchecks has it."""


class HeartbeatTarget(BaseModel):
    """Something that pings us once in each interval of its monitor, and is down when it did not in `grace` more."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    kind: Literal["heartbeat"]
    grace: Annotated[Duration, Field(ge=timedelta(seconds=1), le=timedelta(days=366))] = timedelta(minutes=1)
    slug: Slug | None = None
