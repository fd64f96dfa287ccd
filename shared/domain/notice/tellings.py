"""What a channel is owed of one alert, and what becomes of that when a notice is composed; pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.domain.alert.alerts import AlertState
from shared.domain.channel.channels import ChannelOptions
from shared.domain.notice.notices import ToldAlert
from shared.domain.suppression.suppressions import Suppression, SuppressionFacts, SuppressionKind, suppressions_of


class TellReason(StrEnum):
    """What becomes of one alert in a notice, and why."""

    FIRED = "fired"
    RESOLVED = "resolved"
    FIRED_AND_RESOLVED = "fired_and_resolved"
    """It was over before it could be told: one notice tells both."""
    STILL_FIRING = "still_firing"
    """Told before, and told along."""
    HELD_BACK = "held_back"
    """Something suppresses it; it is told when that has ended, if it still fires then."""
    OVER_UNTOLD = "over_untold"
    """It resolved while something held it back: nobody was told that it fired."""
    NOT_WANTED = "not_wanted"
    """Its channel was deleted before it was told."""
    NOT_TOLD_ALONG = "not_told_along"
    """Told before; something suppresses it now, or its channel was deleted."""


FIRE_TOLD = frozenset({TellReason.FIRED, TellReason.FIRED_AND_RESOLVED})
RESOLVE_TOLD = frozenset({TellReason.RESOLVED, TellReason.FIRED_AND_RESOLVED})
NEWS = FIRE_TOLD | RESOLVE_TOLD
SETTLED = RESOLVE_TOLD | {TellReason.OVER_UNTOLD, TellReason.NOT_WANTED}
"""After these nothing is owed any more."""


@dataclass(frozen=True, slots=True)
class OpenTelling:
    """What a channel is, or may be, owed of an alert: the alert as it stands, and what holds it back now.

    Annotations are as the rule has them; a notice tells them rendered.
    """

    alert: ToldAlert
    is_fire_told: bool
    suppressions: tuple[Suppression, ...] = ()

    @property
    def is_over(self) -> bool:
        """Whether the alert has resolved."""
        return self.alert.status == AlertState.RESOLVED


@dataclass(frozen=True, slots=True)
class Mark:
    """What is written of a telling because of a notice."""

    telling: OpenTelling
    reason: TellReason


@dataclass(frozen=True, slots=True)
class ChannelAsTold:
    """A channel as far as it decides what is held back on it; nothing is told on one that is disabled."""

    name: str
    options: ChannelOptions
    is_disabled: bool = False


def held_back_by(
    labels: Mapping[str, str], severity: str, facts: SuppressionFacts, *, channel: ChannelAsTold, now: datetime
) -> tuple[Suppression, ...]:
    """All that holds the firing of an alert with these labels back on a channel."""
    found = suppressions_of(labels, severity, facts, channel.options, now)
    return (Suppression(SuppressionKind.CHANNEL_DISABLED, channel.name), *found) if channel.is_disabled else found


def decide_telling(telling: OpenTelling, *, is_channel_deleted: bool) -> TellReason:
    """Decide what is told of one alert. A resolve that is owed is told whatever suppresses it, and to whomever."""
    if telling.is_fire_told:
        if telling.is_over:
            return TellReason.RESOLVED
        is_quiet = is_channel_deleted or bool(telling.suppressions)
        return TellReason.NOT_TOLD_ALONG if is_quiet else TellReason.STILL_FIRING
    if is_channel_deleted:
        return TellReason.NOT_WANTED
    if telling.suppressions:
        return TellReason.OVER_UNTOLD if telling.is_over else TellReason.HELD_BACK
    return TellReason.FIRED_AND_RESOLVED if telling.is_over else TellReason.FIRED
