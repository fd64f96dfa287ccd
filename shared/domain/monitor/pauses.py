"""The slots that a pause, or a change of its schedule, has cost a monitor; pure."""

from datetime import datetime, timedelta
from uuid import UUID

from shared.domain.monitor.schedules import MAX_WALK, Schedule
from shared.domain.monitor.slots import Gap, GapReason

_MOMENT = timedelta(microseconds=1)


def gap_of_pause(monitor_id: UUID, schedule: Schedule, *, paused_at: datetime, resumed_at: datetime) -> Gap | None:
    """The slots from `paused_at` up to and including `resumed_at`, or None when there was none.

    Beyond `MAX_WALK` slots of a cron expression their number is estimated by how dense the first ones were: walking
    through years of minutes would take seconds, and nothing is counted against a pause.
    """
    first = schedule.next_after(paused_at - _MOMENT)
    return _gap(monitor_id, schedule, first, resumed_at, GapReason.PAUSED)


def gap_before(monitor_id: UUID, schedule: Schedule, *, next_slot: datetime, now: datetime) -> Gap | None:
    """The slots from `next_slot` on that had passed unscheduled when the schedule was left `now`; None without any."""
    return _gap(monitor_id, schedule, next_slot, now - _MOMENT, GapReason.LATE)


def _gap(monitor_id: UUID, schedule: Schedule, first: datetime, until: datetime, reason: GapReason) -> Gap | None:
    slots, last = schedule.span(first, until)
    if not slots:
        return None
    if slots == MAX_WALK and schedule.interval is None and schedule.next_after(last) <= until:
        slots = int(slots * ((until - first) / (last - first)))
        last = until
    return Gap(monitor_id, first, last, slots, reason)
