"""Why the firing of an alert is not told for now; a resolve is never held back, and rules go on judging."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from uuid import UUID

from shared.domain.channel.channels import ChannelOptions
from shared.domain.matchers import Matchers, MatchOperator
from shared.domain.suppression.inhibitions import StandingInhibition
from shared.domain.suppression.quiet_hours import quiet_until


class SuppressionKind(StrEnum):
    """What holds a notice back."""

    SILENCE = "silence"
    MAINTENANCE = "maintenance"
    INHIBITION = "inhibition"
    """Another alert fires that explains this one."""
    DEPENDENCY = "dependency"
    """A monitor that this one depends on is down."""
    QUIET_HOURS = "quiet_hours"
    CHANNEL_DISABLED = "channel_disabled"


@dataclass(frozen=True, slots=True)
class Suppression:
    """One thing that holds a notice back: its id where it has one, its name, and until when if that is known.

    The id is that of the silence, the maintenance, the alert that inhibits, or the monitor that is down.
    """

    kind: SuppressionKind
    name: str
    id: str | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """A silence or a window of maintenance that runs: alerts that match are not told of until `ends_at`."""

    span_id: UUID
    name: str
    matchers: Matchers
    ends_at: datetime


@dataclass(frozen=True)
class SuppressionFacts:
    """All that may hold firings back at a moment, whatever the channel."""

    silences: tuple[Span, ...] = ()
    maintenances: tuple[Span, ...] = ()
    inhibitions: tuple[StandingInhibition, ...] = ()

    @cached_property
    def _silences_by_label(self) -> Mapping[tuple[str, str] | None, Sequence[Span]]:
        """Silences by a label that what they match has for certain; by None where there is none."""
        found: dict[tuple[str, str] | None, list[Span]] = {}
        for silence in self.silences:
            found.setdefault(_certain_label(silence.matchers), []).append(silence)
        return found

    def silences_of(self, labels: Mapping[str, str]) -> Iterator[Span]:
        """The silences that match; those with another label are not looked at, though there be a thousand."""
        for key in (None, *labels.items()):
            for silence in self._silences_by_label.get(key, ()):
                if silence.matchers.matches(labels):
                    yield silence


def suppressions_of(
    labels: Mapping[str, str], severity: str, facts: SuppressionFacts, options: ChannelOptions, now: datetime
) -> tuple[Suppression, ...]:
    """All that holds back the firing of an alert with these labels on a channel with these options; none: tell it."""
    return tuple(_suppressions(labels, severity, facts, options, now))


def _suppressions(
    labels: Mapping[str, str], severity: str, facts: SuppressionFacts, options: ChannelOptions, now: datetime
) -> Iterator[Suppression]:
    for silence in facts.silences_of(labels):
        yield Suppression(SuppressionKind.SILENCE, silence.name, str(silence.span_id), silence.ends_at)
    for window in facts.maintenances if "monitor" in labels else ():
        if window.matchers.matches(labels):
            yield Suppression(SuppressionKind.MAINTENANCE, window.name, str(window.span_id), window.ends_at)
    for standing in facts.inhibitions:
        cause = standing.find_cause(labels)
        if cause is not None:
            inhibition = standing.inhibition
            kind = SuppressionKind.INHIBITION if inhibition.depends_on is None else SuppressionKind.DEPENDENCY
            yield Suppression(kind, inhibition.name, str(cause.cause_id))
    until = quiet_until(options.quiet_hours, severity, now)
    if until is not None:
        yield Suppression(SuppressionKind.QUIET_HOURS, "quiet hours", until=until)


def _certain_label(matchers: Matchers) -> tuple[str, str] | None:
    plain = ((term.name, term.value) for term in matchers.terms if term.operator is MatchOperator.EQUAL and term.value)
    return next(plain, None)
