"""What coverage looks like, and how it is asked for."""

from datetime import datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from api.schemas.jobs import View
from api.schemas.monitors import SelectorTerm
from api.schemas.queries import LONGEST_WINDOW, Cursor, QueryModel
from shared.domain.durations import Duration
from shared.domain.monitor.coverage import Coverage, CoverageAnswer, CoverageOrder, MonitorCoverage
from shared.domain.monitor.monitors import GroupName
from shared.domain.monitor.slots import GapReason


class CoverageQuery(QueryModel):
    """Whose coverage to read, over which time."""

    window: Annotated[
        Duration, Field(gt=timedelta(0), le=LONGEST_WINDOW, description="How long back from now.", examples=["24h"])
    ] = timedelta(days=1)
    label: list[SelectorTerm] = Field(default_factory=list, max_length=22, description="All of these.")
    group: Annotated[GroupName | None, Field(description="Of this group; empty for those of none.")] = None
    monitor: Annotated[UUID | None, Field(description="This monitor alone.")] = None
    order: Annotated[
        Literal["worst", "name"], Field(description="The least share collected first, or by group and name.")
    ] = "worst"
    limit: int = Field(default=50, ge=0, description="At most 200; more is cut, 0 is the default.")
    cursor: Cursor = None


class CoverageView(View):
    """Slots by what became of them, each counted once."""

    expected: int
    on_time: int
    late: int = Field(description="Begun more than a second behind their slot.")
    error: int = Field(description="Looked at in vain, through our own fault.")
    missed: dict[GapReason, int] = Field(description="Not looked at, by reason.")
    pending: int = Field(description="They have come, and are not accounted for yet.")
    collected: float | None = Field(
        description="(on_time + late) / all but those that are pending or were paused; null where there is none."
    )


class MonitorCoverageView(CoverageView):
    """One monitor's slots."""

    monitor_id: UUID
    group: str
    name: str


class CoveragePage(View):
    """What became of all slots asked for, and of those of each monitor."""

    start: datetime = Field(description="Earlier than asked for where only whole hours or days are summed up.")
    end: datetime
    monitors: int = Field(description="How many were asked for; those that nobody looks at are none.")
    total: CoverageView
    scheduled_at: datetime | None = Field(description="When slots were last scheduled, by whichever worker.")
    overloaded_since: datetime | None = Field(description="Since when more has been due than the workers do.")
    items: list[MonitorCoverageView]
    next_cursor: str | None = Field(description="Leads to the next page; null is the only sign of the end.")


ORDERS = {order.value: order for order in CoverageOrder}


def beside_json(answer: CoverageAnswer) -> dict[str, object]:
    """What `CoveragePage` tells beside its items."""
    return {
        "start": answer.start,
        "end": answer.end,
        "monitors": answer.monitors,
        "total": coverage_json(answer.total),
        "scheduled_at": answer.scheduler.ran_at,
        "overloaded_since": answer.scheduler.overloaded_since,
    }


def monitor_coverage_json(item: MonitorCoverage) -> dict[str, object]:
    """A monitor's coverage as `MonitorCoverageView` describes it."""
    return {
        "monitor_id": str(item.monitor_id),
        "group": item.group,
        "name": item.name,
        **coverage_json(item.coverage),
    }


def coverage_json(coverage: Coverage) -> dict[str, object]:
    """Slots as `CoverageView` describes them."""
    return {
        "expected": coverage.expected,
        "on_time": coverage.on_time,
        "late": coverage.late,
        "error": coverage.error,
        "missed": {reason.value: coverage.missed.get(reason, 0) for reason in GapReason},
        "pending": coverage.pending,
        "collected": coverage.collected,
    }
