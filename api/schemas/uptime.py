"""What uptimes and status timelines look like."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from api.schemas.jobs import View
from api.schemas.moments import Moment
from api.schemas.queries import Cursor, QueryModel
from shared.domain.forms import UPTIME_WINDOWS
from shared.domain.monitor.standing import MonitorState
from shared.domain.monitor.uptime import Span, Uptime


class UptimeQuery(QueryModel):
    """Which windows to sum up; all of them end now."""

    windows: Annotated[
        str,
        Field(pattern=UPTIME_WINDOWS, description="Some of these, by commas.", examples=["24h,30d"]),
    ] = "24h,7d,30d,90d,365d"


class UptimeView(View):
    """How a window divides, in seconds, as far as it is known."""

    start: datetime
    ratio: float | None = Field(
        description="(up + degraded) / (up + degraded + down), by time; null where nothing was judged."
    )
    coverage: float | None = Field(
        description="The judged share of the time in which the target was to be watched; null where there was none."
    )
    outages: int = Field(description="How often it was down without a break.")
    up_seconds: float
    degraded_seconds: float
    down_seconds: float
    no_data_seconds: float = Field(description="Slots were missed, or it was our own fault.")
    pending_seconds: float = Field(description="Not looked at yet.")
    paused_seconds: float
    maintenance_seconds: float


class MonitorUptimesView(View):
    """A monitor's uptime over windows that end at `end`."""

    id: UUID
    end: datetime
    windows: dict[str, UptimeView]


class StateTimelineQuery(QueryModel):
    """Which part of a timeline to list."""

    start: Annotated[Moment | None, Field(description="Spans that end after it.")] = None
    end: Annotated[Moment | None, Field(description="Spans that begin before it.")] = None
    limit: int = Field(default=100, ge=0, description="At most 1,000; more is cut, 0 is the default.")
    cursor: Cursor = None


class StateSpanView(View):
    """A state and how long it lasted."""

    state: MonitorState
    started_at: datetime
    ended_at: datetime | None = Field(description="Null while it lasts.")
    seconds: float = Field(description="How long it lasted, as far as it is known.")
    code: str | None = Field(description="The named reason; see the outcomes of targets.")
    message: str | None


class StateTimelinePage(View):
    """Spans that follow each other, the newest first."""

    items: list[StateSpanView]
    next_cursor: str | None = Field(description="Leads to the next page; null is the only sign of the end.")


def uptime_json(uptime: Uptime, *, start: datetime) -> dict[str, object]:
    """An uptime as `UptimeView` describes it."""
    return {
        "start": start,
        "ratio": uptime.ratio,
        "coverage": uptime.coverage,
        "outages": uptime.outages,
        "up_seconds": uptime.up_seconds,
        "degraded_seconds": uptime.degraded_seconds,
        "down_seconds": uptime.down_seconds,
        "no_data_seconds": uptime.no_data_seconds,
        "pending_seconds": uptime.pending_seconds,
        "paused_seconds": uptime.paused_seconds,
        "maintenance_seconds": uptime.maintenance_seconds,
    }


def span_json(span: Span) -> dict[str, object]:
    """A span as `StateSpanView` describes it."""
    return {
        "state": span.state.value,
        "started_at": span.start,
        "ended_at": None if span.is_lasting else span.end,
        "seconds": (span.end - span.start).total_seconds(),
        "code": span.code,
        "message": span.message,
    }
