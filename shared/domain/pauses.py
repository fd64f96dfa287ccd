"""The slots that a pause has cost a monitor; pure."""

from datetime import datetime, timedelta
from uuid import UUID

from shared.domain.schedules import MAX_WALK, Schedule
from shared.domain.slots import Gap, GapReason

_MOMENT = timedelta(microseconds=1)


def gap_of_pause(monitor_id: UUID, schedule: Schedule, *, paused_at: datetime, resumed_at: datetime) -> Gap | None:
    """The slots from `paused_at` up to and including `resumed_at`, or None when there was none.

    Beyond `MAX_WALK` slots of a cron expression their number is estimated by how dense the first ones were: walking
    through years of minutes would take seconds, and nothing is counted against a pause.
    """
    first = schedule.next_after(paused_at - _MOMENT)
    slots, last = schedule.span(first, resumed_at)
    if not slots:
        return None
    if slots == MAX_WALK and schedule.interval is None and schedule.next_after(last) <= resumed_at:
        slots = int(slots * ((resumed_at - first) / (last - first)))
        last = resumed_at
    return Gap(monitor_id, first, last, slots, GapReason.PAUSED)
