"""Coverage: what became of the slots that schedules had in a window; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from shared.domain.monitor.slots import GapReason
from shared.domain.sample.segments import DAY, HOUR, Horizon, Segment, floor_to, plan_segments

EXACT_UP_TO = 2 * HOUR
"""The longest window whose samples are counted themselves; a longer one begins with a whole hour."""
HOURS_UP_TO = 7 * DAY
"""The longest window that hours are summed up for; a longer one begins with a whole day."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """Slots by what became of them, each counted once.

    `late` began more than a second behind its slot; `error` was looked at and failed through our own fault; `pending`
    has come, and is not accounted for yet.
    """

    on_time: int = 0
    late: int = 0
    error: int = 0
    pending: int = 0
    missed: Mapping[GapReason, int] = field(default_factory=dict)

    @property
    def expected(self) -> int:
        """How many slots there were."""
        return self.on_time + self.late + self.error + self.pending + sum(self.missed.values())

    @property
    def collected(self) -> float | None:
        """The share of slots that tell of their target; those that people paused, and pending ones, are left out."""
        asked = self.expected - self.pending - self.missed.get(GapReason.PAUSED, 0)
        return (self.on_time + self.late) / asked if asked else None


@dataclass(frozen=True, slots=True)
class MonitorCoverage:
    """The coverage of one monitor."""

    monitor_id: UUID
    group: str
    name: str
    coverage: Coverage


class CoverageOrder(StrEnum):
    """In which order monitors are listed."""

    WORST = "worst"
    """The least share collected first."""
    NAME = "name"
    """By group and name."""


@dataclass(frozen=True, slots=True)
class SchedulerState:
    """When slots were last scheduled by anybody, and since when more has been due than the workers do."""

    ran_at: datetime | None
    overloaded_since: datetime | None


@dataclass(frozen=True, slots=True)
class CoverageAnswer:
    """The coverage of all monitors asked for, and of one page of them."""

    start: datetime
    end: datetime
    monitors: int
    total: Coverage
    items: Sequence[MonitorCoverage]
    scheduler: SchedulerState


def plan_coverage(window: timedelta, *, end: datetime, horizon: Horizon) -> tuple[datetime, tuple[Segment, ...]]:
    """Where the window begins, and what is read for it.

    A long window is widened to a whole hour, or day, so that only its end is counted sample by sample.
    """
    start = end - window
    if window > EXACT_UP_TO:
        start = floor_to(start, DAY if window > HOURS_UP_TO else HOUR)
    segments = plan_segments(start, end, horizon=horizon)
    return min([start, *(segment.start for segment in segments)]), segments
