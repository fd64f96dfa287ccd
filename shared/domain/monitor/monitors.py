"""A monitor: what to watch and how often, as people write it and as it is kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from shared.domain.durations import Duration
from shared.domain.forms import PRINTABLE
from shared.domain.heartbeat.heartbeats import HeartbeatTarget
from shared.domain.monitor.schedules import Schedule, check_cron, check_timezone, phase_of
from shared.domain.numbers import WHOLE
from shared.domain.target.targets import ConditionText, DatabaseTarget, FileTarget, HttpTarget, Labels

DEFAULT_INTERVAL = timedelta(minutes=1)

MonitoredTarget = Annotated[HttpTarget | DatabaseTarget | FileTarget | HeartbeatTarget, Field(discriminator="kind")]
MonitorName = Annotated[str, Field(min_length=1, max_length=200, pattern=PRINTABLE)]
GroupName = Annotated[str, Field(max_length=200, pattern=PRINTABLE)]


def _check_cron(expression: str) -> str:
    check_cron(expression)
    return expression


def _check_timezone(name: str) -> str:
    check_timezone(name)
    return name


Cron = Annotated[str, Field(max_length=200, examples=["*/5 8-18 * * 1-5"]), AfterValidator(_check_cron)]
Timezone = Annotated[str, Field(max_length=64, examples=["Europe/Berlin"]), AfterValidator(_check_timezone)]


class MonitorSpec(BaseModel):
    """A monitor as people write it. `group` and `name` together tell it from all others.

    Conditions may stand here or in the target; they are kept in the target.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    name: MonitorName
    group: GroupName = ""
    description: Annotated[str, Field(max_length=2000)] = ""
    target: MonitoredTarget
    interval: Annotated[
        Annotated[Duration, Field(ge=timedelta(seconds=1), le=timedelta(days=31))] | None,
        Field(description="How often, from 1 s upwards; `1m` unless a cron expression is given."),
    ] = None
    cron: Annotated[Cron | None, Field(description="Five fields, instead of an interval.")] = None
    timezone: Annotated[Timezone, Field(description="Of the cron expression, a name of the IANA database.")] = "UTC"
    conditions: Annotated[list[ConditionText], Field(max_length=50)] = Field(default_factory=list)
    degraded_conditions: Annotated[list[ConditionText], Field(max_length=50)] = Field(default_factory=list)
    confirmations: Annotated[
        Annotated[int, Field(ge=0, le=10), WHOLE],
        Field(description="How many further looks have to find the target down before the monitor is."),
    ] = 1
    confirm_interval: Annotated[
        Annotated[Duration, Field(ge=timedelta(seconds=1), le=timedelta(hours=1))],
        Field(description="Between those looks."),
    ] = timedelta(seconds=5)
    labels: Labels = Field(default_factory=dict)
    paused: bool = False

    @model_validator(mode="before")
    @classmethod
    def _move_conditions(cls, given: Any) -> Any:  # noqa: ANN401 - JSON is any value
        """Put the monitor's conditions into its target, where they are read; never twice."""
        if not isinstance(given, dict) or not isinstance(given.get("target"), dict):
            return given
        moved = {name: given[name] for name in ("conditions", "degraded_conditions") if given.get(name)}
        if not moved:
            return given
        twice = [name for name in moved if given["target"].get(name, []) != []]
        if twice:
            raise PydanticCustomError(
                "given_twice", "give {name} to the monitor or to its target, not to both", {"name": twice[0]}
            )
        kept = {name: value for name, value in given.items() if name not in moved}
        return kept | {"target": given["target"] | moved}

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.interval is not None and self.cron is not None:
            raise PydanticCustomError("two_schedules", "give interval or cron, not both")
        if getattr(self.target, "labels", None):
            raise PydanticCustomError("target_labels", "give labels to the monitor, not to its target")
        return self

    def schedule_of(self, monitor_id: UUID) -> Schedule:
        """The schedule, its phase told by the monitor's id."""
        if self.cron is not None:
            return Schedule(cron=self.cron, timezone=self.timezone)
        interval = self.interval or DEFAULT_INTERVAL
        return Schedule(interval=interval, phase=phase_of(monitor_id, interval))


@dataclass(frozen=True, slots=True)
class Monitor:
    """A monitor as it is kept; `shown` is its target without secrets. `version` grows with each change.

    `owner` names the file or team whose `tocsin apply` made it; None was made by hand and is left alone by it.
    """

    monitor_id: UUID
    group: str
    name: str
    description: str
    kind: str
    shown: Mapping[str, Any]
    secret_names: tuple[str, ...]
    schedule: Schedule
    confirmations: int
    confirm_interval: timedelta
    labels: Mapping[str, str]
    owner: str | None
    paused_at: datetime | None
    series_id: int
    version: int
    created_at: datetime
    updated_at: datetime
    created_by: str
