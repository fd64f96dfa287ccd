"""How slots that are due become rounds, and when so much is due that no more are made; pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from shared.domain.job.jobs import JobState
from shared.domain.monitor.rounds import MAX_VISITS
from shared.domain.monitor.schedules import Schedule
from shared.domain.monitor.slots import DueMonitor, GapReason, Plan, Visit

HORIZON = timedelta(seconds=1)
"""How long before its moment a slot may be handed to a worker, which then waits for it."""
LEAD = HORIZON / 2
"""What is due sooner is handed out now, and with it all that is due within the horizon.

So the fleet makes two batches a second, however many workers look: rounds stay large, and each waits half a second.
"""

SHORT_PATIENCE = timedelta(seconds=10)
LONG_PATIENCE = timedelta(seconds=30)
"""How late a round may still be begun. A look that is later than its monitor's next slots tells nothing new; but
whoever is behind gets one look a turn, and turns take longer than the shortest intervals."""

WAITS_TOO_LONG = timedelta(seconds=3)
WAITS_NOT = timedelta(seconds=1)
"""When rounds wait longer than the first, no more are made until they wait less than the second."""
STRAGGLERS = 3
"""The wait is that of the third-oldest round: one or two may have lost their ring, which upkeep repairs."""
MIN_WAITING = 100
WAITING_PER_RUNNING = 4
"""As many rounds may wait for each that runs, and 10,000 looks in any case: more would not be begun in time."""
UNREPAIRED = timedelta(seconds=10)
"""Rounds that ended so long after their deadline were ended late because no worker was there."""


@dataclass(frozen=True, slots=True)
class Due:
    """A due monitor; `site` is where its target lives (host and port), which tells who would share a slow one."""

    monitor: DueMonitor
    site: str
    patience: timedelta


@dataclass(frozen=True, slots=True)
class Pressure:
    """How the rounds stand by the database's clock `now`.

    `waited` is how long the third-oldest of the waiting ones has waited, None when fewer wait. `overdue` is how late
    the monitor is that is due for longest; None when none is. `ran_at` is when slots were last scheduled by anybody.
    """

    now: datetime
    waiting: int = 0
    running: int = 0
    waited: timedelta | None = None
    overdue: timedelta | None = None
    ran_at: datetime | None = None
    overloaded_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Flow:
    """Whether rounds are made, and since when more has been due than the workers do."""

    is_open: bool
    overloaded_since: datetime | None
    reason: GapReason
    """Why slots that have passed were missed."""


def decide_flow(pressure: Pressure) -> Flow:
    """Decide whether rounds are made now.

    None are while too many wait; an overload begins when they wait too long. It is over once nearly none waits and no
    monitor is overdue, so that it does not come and go with each turn; until then what was missed was missed for it.
    """
    was_overloaded = pressure.overloaded_since is not None
    bound = WAITS_NOT if was_overloaded else WAITS_TOO_LONG
    is_slow = pressure.waited is not None and pressure.waited > bound
    is_full = pressure.waiting >= max(MIN_WAITING, WAITING_PER_RUNNING * pressure.running)
    is_open = not (is_slow or is_full)
    is_behind = pressure.waiting >= STRAGGLERS or (pressure.overdue or timedelta(0)) > WAITS_NOT
    since = pressure.overloaded_since
    if is_slow:
        since = since or pressure.now
    elif is_open and not is_behind:
        since = None
    missed_for = GapReason.OVERLOAD if was_overloaded or is_slow else GapReason.LATE
    return Flow(is_open, since, missed_for)


def patience_of(interval: timedelta | None) -> timedelta:
    """How late a look of a monitor may still be begun; the interval is None with a cron expression."""
    return SHORT_PATIENCE if interval is not None and interval < LONG_PATIENCE else LONG_PATIENCE


@dataclass(frozen=True, slots=True)
class PackedRound:
    """The looks of a round, by their slots, and until when it may be begun."""

    visits: Sequence[Visit]
    expires_at: datetime


def pack_rounds(planned: Sequence[tuple[Due, Plan]], *, now: datetime) -> Iterator[PackedRound]:
    """Deal the looks into as few rounds as hold them, those at one site into different ones.

    A worker opens few connections to one host at once: a round full of one slow host would hold up all of its looks.
    """
    for patience in (SHORT_PATIENCE, LONG_PATIENCE):
        dealt = [(due.site, visit) for due, plan in planned if due.patience == patience for visit in plan.visits]
        dealt.sort(key=lambda each: each[0])
        count = -(-len(dealt) // MAX_VISITS)
        for first in range(count):
            visits = sorted((visit for _, visit in dealt[first::count]), key=lambda visit: visit.slot)
            yield PackedRound(visits, max(now, visits[-1].slot) + patience)


@dataclass(frozen=True, slots=True)
class FarSchedule:
    """A monitor whose next slot is far ahead of the clock `now`."""

    monitor_id: UUID
    schedule: Schedule
    next_slot: datetime
    now: datetime

    def anchored(self) -> "Anchored | None":
        """What it is next due at instead; None when its schedule does come so late."""
        latest = self.schedule.next_after(self.now + 2 * HORIZON)
        if self.next_slot <= latest:
            return None
        return Anchored(self.monitor_id, self.next_slot, self.schedule.next_after(self.now))


@dataclass(frozen=True, slots=True)
class Anchored:
    """A schedule that is set right: the slot it had, and the one it goes on with."""

    monitor_id: UUID
    before: datetime
    next_slot: datetime


class RoundEnd(StrEnum):
    """How a round ended that was not worked off."""

    FAILED = JobState.FAILED.value
    EXPIRED = JobState.EXPIRED.value
    CANCELLED = JobState.CANCELLED.value


@dataclass(frozen=True, slots=True)
class BrokenRound:
    """A round that ended without being worked off; `attempts` were made, `was_held` by a pause of its queue."""

    end: RoundEnd
    attempts: int
    was_held: bool
    expires_at: datetime | None
    finished_at: datetime


def reason_of(broken: BrokenRound) -> GapReason:
    """Why the slots of a round that was not worked off are missing."""
    if broken.end is RoundEnd.CANCELLED or (broken.was_held and not broken.attempts):
        return GapReason.PAUSED
    if broken.end is RoundEnd.FAILED or broken.attempts:
        return GapReason.WORKER_LOST
    if broken.expires_at is not None and broken.finished_at - broken.expires_at > UNREPAIRED:
        return GapReason.LATE
    return GapReason.OVERLOAD
