"""What to ask of live events, in a query or in a message; and what they look like."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, get_args
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, WithJsonSchema

from api.schemas.monitors import MonitorKind
from api.schemas.queries import LabelTerm, QueryModel, labels_of
from shared.domain.alert.alerts import AlertState
from shared.domain.channel.channel_health import ChannelState
from shared.domain.job.jobs import JobKind, JobState
from shared.domain.live_filters import LiveFilter, LiveType
from shared.domain.monitor.monitors import GroupName
from shared.domain.monitor.standing import MonitorState
from shared.domain.target.outcome import Outcome

MAX_IDS = 1_000
_KINDS = tuple(str(kind) for kind in (*get_args(MonitorKind), *JobKind))
_STATES = tuple(dict.fromkeys(str(state) for state in (*MonitorState, *AlertState, *ChannelState, *JobState)))


def _split(given: Any) -> Any:  # noqa: ANN401 - a parameter may be anything
    if not isinstance(given, list):
        return given
    return [part for each in given for part in (each.split(",") if isinstance(each, str) else [each])]


def _one_of(known: Sequence[str], what: str) -> AfterValidator:
    def check(name: str) -> str:
        if name not in known:
            raise ValueError(f"there is no such {what}; there are {', '.join(known)}")
        return name

    return AfterValidator(check)


KindName = Annotated[
    str, _one_of(_KINDS, "kind of monitor or job"), WithJsonSchema({"type": "string", "enum": list(_KINDS)})
]
StateName = Annotated[
    str,
    _one_of(_STATES, "state of a monitor, alert, channel or job"),
    WithJsonSchema({"type": "string", "enum": list(_STATES)}),
]
Several = BeforeValidator(_split)
"""Several values may stand in one parameter, separated by commas."""


class LiveFilterModel(QueryModel):
    """Which events to watch; all that is named has to be there."""

    type: Annotated[list[LiveType], Several] = Field(
        default_factory=list, max_length=len(LiveType), description="Any of these."
    )
    monitor: Annotated[list[UUID], Several] = Field(
        default_factory=list,
        max_length=MAX_IDS,
        description="Events of any of these monitors and their alerts, or of the jobs in `job`.",
    )
    job: Annotated[list[UUID], Several] = Field(
        default_factory=list,
        max_length=MAX_IDS,
        description="Events of any of these jobs, or of the monitors in `monitor`.",
    )
    kind: Annotated[list[KindName], Several] = Field(
        default_factory=list, max_length=len(_KINDS), description="Of monitors or of jobs; any of these."
    )
    state: Annotated[list[StateName], Several] = Field(
        default_factory=list,
        max_length=len(_STATES),
        description="What a monitor, alert, channel or job changed into; any of these.",
    )
    group: GroupName | None = None
    label: list[LabelTerm] = Field(default_factory=list, max_length=22, description="All of these labels of a monitor.")

    def filter_of(self) -> LiveFilter:
        """The filter that is meant."""
        return LiveFilter(
            types=frozenset(self.type or LiveType),
            ids=frozenset((*self.monitor, *self.job)),
            kinds=frozenset(self.kind),
            states=frozenset(self.state),
            group=self.group,
            labels=tuple(sorted(labels_of(self.label).items())),
        )


class LiveQuery(LiveFilterModel):
    """The same, and from where on."""

    last_event_id: Annotated[
        str | None,
        Field(max_length=100, description="Go on after this event; the header `Last-Event-ID` goes before it."),
    ] = None


class SampleToldView(BaseModel):
    """The data of `sample`: a look at a monitor's target, as it was stored."""

    monitor_id: UUID
    at: datetime
    outcome: Outcome
    duration_ms: float | None
    code: str | None


class StateToldView(BaseModel):
    """The data of `state`: a monitor's state is another one since a moment."""

    monitor_id: UUID
    state: MonitorState
    since: datetime
    code: str | None
    message: str | None


class AlertToldView(BaseModel):
    """The data of `alert`: it changed, or somebody has acknowledged it."""

    id: UUID
    name: str
    severity: str
    state: AlertState
    since: datetime
    reason: str
    rule_id: UUID | None
    monitor_id: UUID | None


class ChannelToldView(BaseModel):
    """The data of `channel`: it began to fail for good, works again, or was disabled."""

    id: UUID
    name: str
    state: ChannelState
    since: datetime
    reason: str | None


class JobToldView(BaseModel):
    """The data of `job`: a job's row was written."""

    id: UUID
    kind: JobKind | None
    state: JobState
    done: bool
    version: int
