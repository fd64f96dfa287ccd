"""What monitors look like, and how they are asked for."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, TypeAdapter

from api.schemas.jobs import View
from api.schemas.queries import Cursor, QueryModel
from shared.domain.forms import LABEL_SELECTOR, PRINTABLE
from shared.domain.monitor.monitors import GroupName, MonitorSpec
from shared.domain.monitor.standing import MonitorState
from shared.domain.target.outcome import Outcome

MonitorKind = Literal["http", "database", "file", "heartbeat"]
SelectorTerm = Annotated[
    str,
    Field(
        pattern=LABEL_SELECTOR,
        examples=["team:web", "team", "!team:web"],
    ),
]
"""A label with its value, a label with any, or neither of them."""

MONITOR_SPEC: TypeAdapter[MonitorSpec] = TypeAdapter(MonitorSpec)
_Text = Annotated[str, Field(max_length=200, pattern=PRINTABLE)]


class MonitorSelection(QueryModel):
    """Which monitors are meant; all that is given has to hold."""

    label: list[SelectorTerm] = Field(
        default_factory=list,
        max_length=22,
        description="All of these: `team:web`, `team` with any value, `!team:web` or `!team` for those without.",
    )
    group: Annotated[GroupName | None, Field(description="Of this group; empty for those of none.")] = None
    kind: list[MonitorKind] = Field(default_factory=list, max_length=4, description="Any of these kinds.")
    state: list[MonitorState] = Field(default_factory=list, max_length=7, description="Any of these states.")
    owner: Annotated[_Text | None, Field(description="Made by the file of this owner.")] = None
    q: Annotated[_Text | None, Field(min_length=1, description="A part of the name, in any case.")] = None


class MonitorListQuery(MonitorSelection):
    """Which monitors to list."""

    paused: Annotated[bool | None, Field(description="Only those that are paused, or only the others.")] = None
    limit: int = Field(default=50, ge=0, description="At most 200; more is cut, 0 is the default.")
    cursor: Cursor = None


class LastLookView(View):
    """What the latest sample found."""

    at: datetime
    outcome: Outcome
    duration_ms: float | None
    code: str | None
    message: str | None


class MonitorUptimeView(View):
    """How much of the time the target was up, of the time in which that was known."""

    day: float | None = Field(alias="24h", description="(up + degraded) / (up + degraded + down) of the last 24 hours.")
    coverage: float | None = Field(description="In which part of that time it was known.")


class HeartbeatView(View):
    """How a heartbeat is pinged; who knows these may speak for it."""

    ping_path: str
    push_path: str
    slug: str | None
    pings: int


class MonitorLinks(View):
    """Where more is told about a monitor."""

    self: str
    uptime: str
    timeline: str


class MonitorView(View):
    """A monitor and how it stands. Its target's secrets are shown as `***`."""

    id: UUID
    name: str
    group: str
    description: str
    kind: MonitorKind
    target: dict[str, Any]
    interval: str | None
    cron: str | None
    timezone: str
    confirmations: int
    confirm_interval: str
    labels: dict[str, str]
    paused: bool
    owner: str | None = Field(description="The owner of the file that made it; null when it was made by hand.")
    state: MonitorState
    since: datetime
    code: str | None = Field(description="Why, unless it is up.")
    message: str | None
    last: LastLookView | None
    next_at: datetime | None = Field(description="The next slot; null while paused, and of a heartbeat.")
    version: int = Field(description="Grows with each change of the monitor; the entity tag begins with it.")
    created_at: datetime
    updated_at: datetime
    created_by: str
    links: MonitorLinks


class OpenAlertsView(View):
    """How many alerts of a monitor are open."""

    firing: int
    pending: int


class MonitorDetailView(MonitorView):
    """The same with its alerts, and with its uptime, which is no part of the entity tag."""

    alerts: OpenAlertsView
    uptime: MonitorUptimeView
    heartbeat: HeartbeatView | None = Field(
        default=None, description="Of a heartbeat, for keys that may submit: its addresses."
    )


class MonitorPage(View):
    """Monitors in the order of groups and names."""

    items: list[MonitorView]
    next_cursor: str | None = Field(description="Leads to the next page; null is the only sign of the end.")
