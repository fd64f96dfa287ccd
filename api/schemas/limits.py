"""What limits look like, and how they are set."""

from datetime import datetime, timedelta
from typing import Annotated, Self

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator
from pydantic.config import JsonDict

from api.schemas.job_keys import FreeLimitKey, JobKey
from api.schemas.jobs import View
from api.schemas.queries import Cursor, QueryModel
from shared.domain.durations import Duration, format_duration
from shared.domain.fleet.limits import Limit, Rate
from shared.domain.numbers import WHOLE
from shared.storage.fleet.limit_store import LimitStatus

MOST_RUNNING = 1_000_000
MOST_STARTS = 100_000
LEAST_PERIOD = timedelta(seconds=1)
"""Held jobs are let go twice a second, so that a shorter period could not be used up."""
LONGEST_PERIOD = timedelta(days=31)

_GIVEN: JsonDict = {
    "anyOf": [
        {"required": ["max_running"], "properties": {"max_running": {"type": "integer"}}},
        {"required": ["rate"], "properties": {"rate": {"type": "object"}}},
    ]
}

_KEY = Path(description="What jobs name as their `limit_key`.", examples=["customer-7"])

LimitKey = Annotated[JobKey, _KEY]
SettableLimitKey = Annotated[FreeLimitKey, _KEY]


class LimitListQuery(QueryModel):
    """Which limits to list."""

    limit: int = Field(default=100, ge=0, description="At most 200; more is cut, 0 is the default.")
    cursor: Cursor = None


class RateBody(BaseModel):
    """How many jobs may be started in which time."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    max: Annotated[int, Field(ge=1, le=MOST_STARTS), WHOLE, Field(description="Also as many at once after a pause.")]
    per: Annotated[Duration, Field(ge=LEAST_PERIOD, le=LONGEST_PERIOD, description="1 s to 31 days.")]


class LimitBody(BaseModel):
    """What is allowed to the jobs of a key."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, json_schema_extra=_GIVEN)

    max_running: Annotated[
        Annotated[int, Field(ge=1, le=MOST_RUNNING), WHOLE] | None,
        Field(description="How many run at once at most."),
    ] = None
    rate: Annotated[RateBody | None, Field(description="How many are started in a time at most.")] = None

    @model_validator(mode="after")
    def _limits_something(self) -> Self:
        if self.max_running is None and self.rate is None:
            raise ValueError("give max_running, rate or both; delete the limit to lift it")
        return self

    def limit_of(self, key: str) -> Limit:
        """The limit under a key."""
        rate = None if self.rate is None else Rate(self.rate.max, self.rate.per)
        return Limit(key, max_running=self.max_running, rate=rate)


LIMIT_BODY: TypeAdapter[LimitBody] = TypeAdapter(LimitBody)


class RateView(View):
    """How many jobs may be started in which time."""

    max: int
    per: str


class LimitView(View):
    """A limit and how its jobs stand."""

    key: str
    max_running: int | None
    rate: RateView | None
    running: int
    blocked: int = Field(description="Due jobs that the limit holds back.")
    is_estimate: bool = Field(description="Whether a count reached its bound, so that there may be more.")
    updated_at: datetime


class LimitPage(View):
    """Limits in the order of their keys."""

    items: list[LimitView]
    next_cursor: str | None = Field(description="Leads to the next page; null is the only sign of the end.")


def limit_json(status: LimitStatus) -> dict[str, object]:
    """A limit as `LimitView` describes it."""
    rate = status.limit.rate
    return {
        "key": status.limit.key,
        "max_running": status.limit.max_running,
        "rate": None if rate is None else {"max": rate.max, "per": format_duration(rate.per)},
        "running": status.running,
        "blocked": status.blocked,
        "is_estimate": status.is_estimate,
        "updated_at": status.updated_at,
    }
