"""What windows of maintenance look like, and how they are made."""

from datetime import datetime, timedelta
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from api.schemas.jobs import View
from api.schemas.moments import Moment
from api.schemas.queries import Cursor, QueryModel
from shared.domain.durations import Duration, format_duration
from shared.domain.matchers import MatcherText, parse_matchers
from shared.domain.monitor.monitors import Cron, Timezone
from shared.domain.rule.rules import Name
from shared.domain.suppression.maintenance import LONGEST_RECURRING, Maintenance, MaintenanceState
from shared.domain.suppression.planned_spans import MAX_SPAN
from shared.services.suppression.maintenance import WantedMaintenance

_LEAST = timedelta(seconds=1)
_Length = Annotated[Duration, Field(ge=_LEAST, le=MAX_SPAN)]
_ENDS = ("ends_at", "duration", "ttl")
_ONE_END: JsonDict = {
    "oneOf": [{"required": [name], "properties": {name: {"type": "string"}}} for name in _ENDS],
}


class MaintenanceListQuery(QueryModel):
    """Which windows to list."""

    state: list[MaintenanceState] = Field(default_factory=list, max_length=3, description="Any of these states.")
    limit: int = Field(default=100, ge=0, description="At most 200; more is cut, 0 is the default.")
    cursor: Cursor = None


class MaintenanceBody(BaseModel):
    """Planned work: once from `starts_at` to `ends_at`, at once for `ttl`, or by `cron` for `duration`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, json_schema_extra=_ONE_END)

    name: Name = "maintenance"
    selector: Annotated[
        MatcherText,
        Field(min_length=1, description="Which monitors, by labels.", json_schema_extra={"format": "matchers"}),
    ]
    starts_at: Annotated[Moment | None, Field(description="Now unless told; what has passed is now.")] = None
    ends_at: Moment | None = None
    duration: Annotated[_Length | None, Field(description="How long, instead of `ends_at`.")] = None
    ttl: Annotated[_Length | None, Field(description="Begin now and end by itself after this time.")] = None
    cron: Annotated[
        Annotated[Cron, Field(json_schema_extra={"format": "cron"})] | None,
        Field(description="Again and again; five fields."),
    ] = None
    timezone: Annotated[
        Timezone,
        Field(
            description="Of the cron expression, a name of the IANA database.", json_schema_extra={"format": "timezone"}
        ),
    ] = "UTC"
    uptime: Annotated[
        Literal["exclude", "count"],
        Field(description="Whether the time is left out of uptime and coverage, or counts as it is found."),
    ] = "exclude"
    comment: Annotated[str, Field(max_length=2000)] = ""

    @model_validator(mode="after")
    def _is_one_window(self) -> Self:
        given = [name for name in _ENDS if getattr(self, name) is not None]
        if len(given) != 1:
            raise PydanticCustomError("one_end", "give one of ends_at, duration and ttl")
        if self.ttl is not None and (self.starts_at is not None or self.cron is not None):
            raise PydanticCustomError("ttl_begins_now", "ttl begins now: give duration with starts_at or cron")
        if self.cron is not None and (self.duration is None or self.starts_at is not None):
            raise PydanticCustomError("cron_lasts", "give cron a duration, and neither starts_at nor ends_at")
        if self.cron is not None and self.duration is not None and self.duration > LONGEST_RECURRING:
            raise PydanticCustomError("cron_lasts", "what recurs lasts 31 days at most")
        return self

    @property
    def wanted(self) -> WantedMaintenance:
        """The window that is asked for."""
        return WantedMaintenance(
            name=self.name,
            selector=parse_matchers(self.selector),
            starts_at=self.starts_at,
            ends_at=self.ends_at,
            duration=self.duration if self.ttl is None else self.ttl,
            cron=self.cron,
            timezone=self.timezone,
            is_uptime_kept_clean=self.uptime == "exclude",
            comment=self.comment,
        )


MAINTENANCE_BODY: TypeAdapter[MaintenanceBody] = TypeAdapter(MaintenanceBody)


class MaintenancePreview(View):
    """A window that was not made."""

    name: str
    selector: str
    starts_at: datetime
    ends_at: datetime
    cron: str | None
    timezone: str
    duration: str | None
    uptime: Literal["exclude", "count"]
    comment: str
    monitors: int = Field(description="How many monitors it selects now.")


class MaintenanceView(View):
    """A window; `starts_at` and `ends_at` are of the one that runs, or comes next."""

    id: UUID
    name: str
    selector: str
    state: MaintenanceState
    starts_at: datetime
    ends_at: datetime
    ended_at: datetime | None = Field(description="When it ended for good.")
    cron: str | None
    timezone: str
    duration: str | None
    uptime: Literal["exclude", "count"]
    comment: str
    created_at: datetime
    created_by: str


class MaintenanceDetailView(MaintenanceView):
    """A window, and what it means now."""

    monitors: int = Field(description="How many monitors it selects now.")


class MaintenancePage(View):
    """Windows, the newest first."""

    items: list[MaintenanceView]
    next_cursor: str | None = Field(description="Leads to the next page; null is the only sign of the end.")


def planned_json(window: Maintenance) -> dict[str, object]:
    """What of a window people have said, as `MaintenancePreview` has it."""
    return {
        "name": window.name,
        "selector": str(window.selector),
        "starts_at": window.starts_at,
        "ends_at": window.ends_at,
        "cron": window.cron,
        "timezone": window.timezone,
        "duration": None if window.duration is None else format_duration(window.duration),
        "uptime": "exclude" if window.is_uptime_kept_clean else "count",
        "comment": window.comment,
    }


def maintenance_json(window: Maintenance, *, now: datetime) -> dict[str, object]:
    """A window as `MaintenanceView` describes it."""
    return planned_json(window) | {
        "id": str(window.maintenance_id),
        "state": window.state_at(now).value,
        "ended_at": window.left_at if window.state_at(now) is MaintenanceState.ENDED else None,
        "created_at": window.created_at,
        "created_by": window.created_by,
    }
