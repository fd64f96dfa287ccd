"""A silence: alerts whose labels match are not told of for a while, though they fire; pure."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from shared.domain.matchers import Matchers
from shared.domain.suppression.planned_spans import plan_span

MAX_SILENCES = 1_000
"""How many may be pending or active."""


class SilenceState(StrEnum):
    """Where a silence stands; the words of Alertmanager."""

    PENDING = "pending"
    ACTIVE = "active"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Silence:
    """A silence as it is kept; an expired one stays for a while, so that it can be seen why nobody was told."""

    silence_id: UUID
    matchers: Matchers
    starts_at: datetime
    ends_at: datetime
    comment: str
    created_at: datetime
    created_by: str

    def state_at(self, now: datetime) -> SilenceState:
        """Where it stands at a moment."""
        if now >= self.ends_at:
            return SilenceState.EXPIRED
        return SilenceState.PENDING if now < self.starts_at else SilenceState.ACTIVE


@dataclass(frozen=True, slots=True)
class SilenceChange:
    """What is to be different; None leaves it. `duration` is counted from now, or from the start if that is to come."""

    matchers: Matchers | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    duration: timedelta | None = None
    comment: str | None = None


def changed_silence(silence: Silence, change: SilenceChange, *, now: datetime) -> Silence:
    """The silence with the change, which still lasts `now`.

    Raises:
        SpanError: it would be over, have no length, or last too long.
    """
    matchers = change.matchers or silence.matchers
    comment = silence.comment if change.comment is None else change.comment
    changed = replace(silence, matchers=matchers, comment=comment)
    if change.starts_at is None and change.ends_at is None and change.duration is None:
        return changed
    has_begun = change.starts_at is None and silence.starts_at <= now
    ends_at = silence.ends_at if change.duration is None and change.ends_at is None else change.ends_at
    span = plan_span(change.starts_at or silence.starts_at, ends_at, change.duration, now=now)
    return replace(changed, starts_at=silence.starts_at if has_begun else span.starts_at, ends_at=span.ends_at)


def is_everything(matchers: Matchers) -> bool:
    """Whether even an alert without any label would match; as in Alertmanager that is refused of silences."""
    return matchers.matches({})
