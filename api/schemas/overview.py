"""What an overview looks like; `api.overview_json` writes its items, and a test holds them equal to this."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from api.schemas.jobs import View
from api.schemas.monitors import MonitorSelection
from api.schemas.queries import Cursor
from shared.domain.forms import MONITOR_GROUPING
from shared.domain.monitor.overview import OverviewGroup, Totals
from shared.domain.monitor.standing import MonitorState
from shared.domain.target.outcome import Outcome


class OverviewQuery(MonitorSelection):
    """Which monitors to show."""

    whole: Annotated[bool, Field(description="All at once, up to 20,000, whatever `limit` says.")] = False
    limit: int = Field(default=100, ge=0, description="At most 1,000; more is cut, 0 is the default.")
    cursor: Cursor = None


class OverviewGroupQuery(MonitorSelection):
    """Which monitors to count, and by what."""

    by: Annotated[
        str, Field(pattern=MONITOR_GROUPING, description="`group`, or `label:NAME`.", examples=["label:team"])
    ] = "group"


class LastView(View):
    """A monitor's newest sample."""

    at: datetime
    outcome: Outcome
    duration_ms: float | None


class BeatsView(View):
    """A monitor's newest samples, 50 at most, the oldest first; the three lists are as long as each other."""

    start: int | None = Field(description="When the oldest was due, in seconds since 1970; null without any.")
    times: list[int] = Field(description="When each was due, in seconds after `start`.")
    outcomes: str = Field(description="One letter each: `u` up, `g` degraded, `d` down, `e` error, our fault.")
    durations: list[float | None] = Field(description="How long each took, in milliseconds.")


class ShareView(View):
    """An uptime and how much of the time it speaks of."""

    ratio: float | None = Field(description="(up + degraded) / (up + degraded + down), by time.")
    coverage: float | None


class OverviewItemView(View):
    """A monitor at one look."""

    id: UUID
    group: str
    name: str
    kind: str
    labels: dict[str, str]
    state: MonitorState
    since: datetime
    code: str | None = Field(description="The named reason of the state.")
    last: LastView | None
    beats: BeatsView
    latency_ms: float | None = Field(description="The mean of the beats' durations, but for errors of ours.")
    uptime: dict[str, ShareView] = Field(description="Of the windows `24h` and `30d`.")


class TotalsView(View):
    """How many monitors are in each state."""

    up: int
    degraded: int
    down: int
    no_data: int
    pending: int
    paused: int
    maintenance: int


class OverviewView(View):
    """Monitors in the order of group and name."""

    items: list[OverviewItemView]
    next_cursor: str | None = Field(description="Leads to the next page; null is the only sign of the end.")
    monitors: int = Field(description="How many match, on whichever page, whatever `state` was asked for.")
    totals: TotalsView = Field(description="Those by state.")


class OverviewGroupView(View):
    """How the monitors of a group, or with a label, stand."""

    group: str | None = None
    label: str | None = None
    monitors: int
    totals: TotalsView


class OverviewGroupsView(View):
    """The groups, or the values of the label, in their order."""

    items: list[OverviewGroupView]
    truncated: bool = Field(description="Whether there are more groups than are shown.")


def totals_json(totals: Totals) -> dict[str, object]:
    """How many monitors there are, and in which states."""
    return {"monitors": sum(totals.values()), "totals": {state.value: count for state, count in totals.items()}}


def group_json(group: OverviewGroup, *, by: str) -> dict[str, object]:
    """A group as `OverviewGroupView` describes it; `by` is `group` or `label`."""
    return {by: group.value, **totals_json(group.totals)}
