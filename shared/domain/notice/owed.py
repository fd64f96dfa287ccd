"""What a channel is still owed of an alert; pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.domain.alert.alerts import AlertState
from shared.domain.notice.notices import NoticeState


class Owed(StrEnum):
    """What has still to be told on a channel."""

    NOTHING = "nothing"
    FIRING = "firing"
    """That it fires; a notice of it is on its way."""
    FIRING_IF_IT_LASTS = "firing_if_it_lasts"
    """That it fires, once nothing holds that back any more; nothing, if it is over by then."""
    RESOLVE_WHEN_OVER = "resolve_when_over"
    """That it resolved, once it has: the channel was told that it fires."""
    RESOLVE = "resolve"
    """That it resolved."""


@dataclass(frozen=True, slots=True)
class HeldBackBy:
    """One thing that holds a firing back, as it was written down."""

    kind: str
    name: str
    id: str | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class ToldNotice:
    """A notice that told a channel of an alert, or is to; `failure` is what the last try came to, if it failed."""

    state: NoticeState
    ended_at: datetime | None = None
    tries: int = 0
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class ChannelDebt:
    """What a channel was told of an alert, what holds the rest back, and when its group is next told of anything.

    `is_fire_told` from when the firing is part of a notice; the notices themselves may be forgotten before the alert.
    """

    channel: str
    is_fire_told: bool = False
    is_settled: bool = False
    fire: ToldNotice | None = None
    resolve: ToldNotice | None = None
    held_back_by: tuple[HeldBackBy, ...] = ()
    next_notice_at: datetime | None = None

    def owed(self, state: AlertState) -> Owed:
        """What it is still owed of an alert in this state."""
        if self.is_settled:
            return Owed.NOTHING
        is_over = state is AlertState.RESOLVED
        if self.is_fire_told:
            return Owed.RESOLVE if is_over else Owed.RESOLVE_WHEN_OVER
        return Owed.FIRING_IF_IT_LASTS if self.held_back_by else Owed.FIRING
