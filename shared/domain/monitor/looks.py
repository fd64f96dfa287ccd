"""Looks at monitors as a round takes them, and what those of one monitor make of how it stands; pure."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from shared.domain.monitor.schedules import Schedule
from shared.domain.monitor.slots import Gap, Visit
from shared.domain.monitor.standing import Look, Standing, StateChange, fold
from shared.domain.target.outcome import Reading


@dataclass(frozen=True, slots=True)
class WatchedMonitor:
    """What a round has to know of a monitor beside its target; `version` is the monitor's."""

    monitor_id: UUID
    version: int
    name: str
    kind: str
    series_id: int
    schedule: Schedule
    confirmations: int
    confirm_interval: timedelta
    paused_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Round:
    """A round's job under the lease of one attempt, which fences all that it writes."""

    job_id: UUID
    lease_token: UUID


@dataclass(frozen=True, slots=True)
class TakenLook:
    """A look that was taken; `covers_until` is the slot after a regular one's."""

    round: Round
    monitor: WatchedMonitor
    visit: Visit
    reading: Reading
    covers_until: datetime | None = None

    @property
    def look(self) -> Look:
        """What it found, as it is folded into the monitor's state."""
        reading = self.reading
        return Look(self.visit.slot, reading.outcome, self.covers_until, reading.code, reading.message)


@dataclass(frozen=True, slots=True)
class MissedLook:
    """A slot that a round did not look at, and why; `paused_at` is the pause it was for."""

    round: Round
    gap: Gap
    paused_at: datetime | None = None

    def is_of(self, paused_at: datetime | None) -> bool:
        """Whether it is missed, of a monitor that is paused since this moment, None of one that is not.

        A pause that is over has told its slots by itself, and those that came after it are handed out again.
        """
        return self.paused_at is None or self.paused_at == paused_at or self.gap.first_slot < self.paused_at


@dataclass(frozen=True, slots=True)
class FoldedLooks:
    """How a monitor stands after looks, what changed, and which confirmation it needs: its number, 0 for none.

    `confirmation` is None where what is asked for already stays as it is.
    """

    standing: Standing
    changes: tuple[StateChange, ...]
    confirmation: int | None
    confirm_at: datetime | None = None


def fold_looks(before: Standing, looks: Iterable[TakenLook]) -> FoldedLooks:
    """Fold the looks at one monitor, in the order of their moments, into how it stands."""
    standing = before
    changes: dict[datetime, StateChange] = {}
    confirm_at: datetime | None = None
    for taken in sorted(looks, key=lambda each: each.visit.slot):
        folded = fold(standing, taken.look, confirmations=taken.monitor.confirmations)
        is_counted = folded.standing is not standing
        standing = _known_as_long(folded.standing, standing)
        # Of two changes at one moment the later one stands, as in the timeline.
        changes |= {change.at: change for change in folded.changes}
        if is_counted:
            needed = folded.needs_confirmation
            confirm_at = taken.visit.slot + taken.monitor.confirm_interval if needed else None
    told = tuple(changes.values())
    if confirm_at is not None:
        return FoldedLooks(standing, told, standing.failing, confirm_at)
    return FoldedLooks(standing, told, 0 if before.failing and not standing.failing else None)


def _known_as_long(standing: Standing, before: Standing) -> Standing:
    """The standing, known for no shorter a time than before: a look may be of a schedule that was changed since."""
    if before.covered_until is None or standing.covered_until is None:
        return standing
    if standing.covered_until >= before.covered_until:
        return standing
    return replace(standing, covered_until=before.covered_until)


@dataclass(frozen=True, slots=True)
class Silent:
    """A monitor whose knowledge ended a while ago; `interval` is None with a cron expression, `now` the database's."""

    monitor_id: UUID
    interval: timedelta | None
    now: datetime
