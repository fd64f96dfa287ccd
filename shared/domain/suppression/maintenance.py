"""Windows of planned work on monitors: when they run, and what they make of how a monitor stands; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from shared.domain.matchers import Matchers
from shared.domain.monitor.schedules import Schedule
from shared.domain.monitor.standing import (
    Folded,
    MonitorState,
    Standing,
    fold_maintenance,
    fold_maintenance_end,
    fold_silence,
    patience_of,
)

MAX_MAINTENANCES = 1_000
"""How many may be scheduled or running."""
LONGEST_RECURRING = timedelta(days=31)


class MaintenanceState(StrEnum):
    """Where a window stands; one that recurs is scheduled again when it has run."""

    SCHEDULED = "scheduled"
    RUNNING = "running"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Maintenance:
    """Planned work on the monitors it selects; `starts_at` and `ends_at` are of the window that runs or comes next.

    With a `cron` it recurs, each time for `duration`. With `is_uptime_kept_clean` its monitors are in the state
    `maintenance` meanwhile.
    """

    maintenance_id: UUID
    name: str
    selector: Matchers
    starts_at: datetime
    ends_at: datetime
    created_at: datetime
    created_by: str
    cron: str | None = None
    timezone: str = "UTC"
    duration: timedelta | None = None
    is_uptime_kept_clean: bool = True
    ended_at: datetime | None = None
    comment: str = ""

    def state_at(self, now: datetime) -> MaintenanceState:
        """Where it stands at a moment."""
        if self.ended_at is not None or (now >= self.ends_at and self.cron is None):
            return MaintenanceState.ENDED
        is_running = self.starts_at <= now < self.ends_at
        return MaintenanceState.RUNNING if is_running else MaintenanceState.SCHEDULED

    @property
    def left_at(self) -> datetime:
        """When the window lets its monitors go."""
        return self.ends_at if self.ended_at is None else min(self.ended_at, self.ends_at)


def next_window(cron: str, timezone: str, duration: timedelta, *, now: datetime) -> tuple[datetime, datetime]:
    """The window that runs `now` or else comes next: it begins by the clock on the wall and lasts as long as it lasts.

    Daylight saving time is minded as monitors' schedules mind it.
    """
    start = Schedule(cron=cron, timezone=timezone).next_after(now - duration)
    return start, start + duration


def moved_on(window: Maintenance, *, now: datetime) -> Maintenance | None:
    """What a window becomes that is over `now`: the next one of its kind, or ended; None while it is not over."""
    if window.ended_at is not None or now < window.ends_at:
        return None
    if window.cron is None or window.duration is None:
        return replace(window, ended_at=window.ends_at)
    start, end = next_window(window.cron, window.timezone, window.duration, now=now)
    return replace(window, starts_at=start, ends_at=end)


@dataclass(frozen=True, slots=True)
class MaintainedMonitor:
    """What has to be known of a monitor beside how it stands; `interval` is None with a cron expression."""

    changed_at: datetime
    interval: timedelta | None
    is_looked_at: bool


@dataclass(frozen=True, slots=True)
class Membership:
    """Which windows a monitor is in by now and which it has left, and how it stands by that."""

    folded: Folded
    joined: tuple[UUID, ...] = ()
    left: tuple[UUID, ...] = ()


def decide_membership(
    standing: Standing,
    monitor: MaintainedMonitor,
    members_of: Mapping[UUID, Maintenance | None],
    wanted: Sequence[Maintenance],
    *,
    now: datetime,
) -> Membership:
    """Decide what the windows that select a monitor `now` make of it.

    `members_of` are those it is in, None for one that is gone. It enters when the first of the wanted ones began, or
    when it was changed so that it is selected, and leaves when the last one ended; never before its state began. A
    paused one is in none.
    """
    is_paused = standing.state is MonitorState.PAUSED
    running = () if is_paused else tuple(each for each in wanted if each.state_at(now) is MaintenanceState.RUNNING)
    ids = {each.maintenance_id for each in running}
    joined = tuple(each.maintenance_id for each in running if each.maintenance_id not in members_of)
    left = tuple(key for key in members_of if key not in ids)
    if running:
        first = min(running, key=lambda each: each.starts_at)
        at = max(first.starts_at, monitor.changed_at, standing.since)
        return Membership(_enter(standing, monitor, at, first.name), joined, left)
    ends = [_end_of(members_of[key], monitor, now) for key in left]
    at = max(min(max(ends, default=now), now), standing.since)
    return Membership(fold_maintenance_end(standing, at=at), joined, left)


def _end_of(window: Maintenance | None, monitor: MaintainedMonitor, now: datetime) -> datetime:
    """When a window let a monitor go: with its end, or when the monitor was changed so that it is not selected."""
    if window is None:
        return now
    return window.left_at if window.left_at <= now else monitor.changed_at


def _enter(standing: Standing, monitor: MaintainedMonitor, at: datetime, name: str) -> Folded:
    """What was known has ended where nobody looked any more, and not only with the maintenance."""
    silent = Folded(standing)
    if monitor.is_looked_at and standing.state is not MonitorState.MAINTENANCE:
        found = fold_silence(standing, now=at, patience=patience_of(monitor.interval))
        silent = found if found.standing.since < at else silent
    entered = fold_maintenance(silent.standing, at=at, name=name)
    return Folded(entered.standing, silent.changes + entered.changes)
