"""Which slots are run, and which ones are missed and why; pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from shared.domain.monitor.schedules import MAX_WALK, Schedule

LATE_AFTER = timedelta(seconds=1)
"""A slot that was begun later than this is counted as late."""


class GapReason(StrEnum):
    """Why a slot was not collected."""

    LATE = "late"
    """Nobody was there to schedule it in time: no worker ran, or the database was away."""
    OVERLOAD = "overload"
    """More was due than the workers can do."""
    WORKER_LOST = "worker_lost"
    """The workers that ran it vanished, or failed at it."""
    PAUSED = "paused"
    """Its monitor was paused."""
    EGRESS_DOWN = "egress_down"
    """The worker could not reach the world, and did not ask the target."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A look to be taken at a slot; `confirmation` counts from 1 for those that confirm, `is_manual` was asked for.

    `version` is the monitor's as it was scheduled.
    """

    monitor_id: UUID
    version: int
    slot: datetime
    confirmation: int = 0
    is_manual: bool = False

    @property
    def is_regular(self) -> bool:
        """Whether this is one of the schedule's slots, whose sample is kept."""
        return not self.confirmation and not self.is_manual


@dataclass(frozen=True, slots=True)
class Gap:
    """Slots of a monitor, in a row, that were not collected."""

    monitor_id: UUID
    first_slot: datetime
    last_slot: datetime
    slots: int
    reason: GapReason


@dataclass(frozen=True, slots=True)
class DueMonitor:
    """A monitor whose `next_slot` or confirmation is due soon."""

    monitor_id: UUID
    version: int
    schedule: Schedule
    next_slot: datetime
    confirm_at: datetime | None = None
    confirmation: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of a due monitor: looks to be taken, slots that are missed, and the slot it is next due at."""

    next_slot: datetime
    visits: Sequence[Visit] = field(default=())
    gaps: Sequence[Gap] = field(default=())
    is_confirmed: bool = False
    """Whether its confirmation is among the looks."""


def plan_visits(due: DueMonitor, *, now: datetime, until: datetime, reason: GapReason) -> Plan:
    """Plan the slots up to `until`, a moment not far after `now`.

    Of the slots that have passed only the newest is still run: collecting them all at once would tell nothing of the
    moments they stand for. The others are missed for `reason`. So who is behind gets one look a turn, however short
    the interval, and nobody is starved.
    """
    visits: list[Visit] = []
    gaps: list[Gap] = []
    slot = due.next_slot
    passed, _ = due.schedule.span(slot, now)
    missed = passed if passed == MAX_WALK else max(0, passed - 1)
    if missed:
        last_missed = _before(due.schedule, slot, missed)
        gaps.append(Gap(due.monitor_id, slot, last_missed, missed, reason))
        slot = due.schedule.next_after(last_missed)
        if slot <= now and passed == MAX_WALK:
            return Plan(slot, gaps=gaps)
    for each in due.schedule.slots(slot, until):
        visits.append(Visit(due.monitor_id, due.version, each))
        slot = due.schedule.next_after(each)
    is_confirmed = due.confirm_at is not None and due.confirm_at <= until
    if due.confirm_at is not None and is_confirmed:
        visits.append(Visit(due.monitor_id, due.version, max(due.confirm_at, now), due.confirmation))
    return Plan(slot, visits, gaps, is_confirmed)


def _before(schedule: Schedule, first: datetime, count: int) -> datetime:
    """The last of `count` slots that begin with `first`."""
    if schedule.interval is not None:
        return first + (count - 1) * schedule.interval
    slot = first
    for _ in range(count - 1):
        slot = schedule.next_after(slot)
    return slot
