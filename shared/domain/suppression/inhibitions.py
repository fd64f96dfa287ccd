"""Inhibition and dependency: alerts that another alert, or a monitor that is down, explains; pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from uuid import UUID

from shared.domain.matchers import Matchers

MAX_INHIBITIONS = 100
MAX_ASKED = 100
"""How many causes are asked for an alert that is such a cause itself; what none of them explains is told."""


@dataclass(frozen=True, slots=True)
class Inhibition:
    """Alerts that match `target` are not told while a cause stands: a firing alert or, by `depends_on`, a monitor.

    `equal` names labels that cause and alert have to have alike; one that neither has is alike, as in Alertmanager.
    """

    inhibition_id: UUID
    name: str
    source: Matchers | None
    depends_on: Matchers | None
    target: Matchers
    equal: tuple[str, ...]
    created_at: datetime
    created_by: str

    @property
    def causes(self) -> Matchers:
        """What matches its causes."""
        return self.source or self.depends_on or Matchers()

    @property
    def names(self) -> tuple[str, ...]:
        """The labels of a cause that anything depends on; causes alike in them are alike."""
        terms = (*self.causes.terms, *self.target.terms)
        return tuple(sorted({*self.equal, *(term.name for term in terms)}))

    def key_of(self, labels: Mapping[str, str]) -> tuple[str, ...]:
        """The values that have to be alike."""
        return tuple(labels.get(name, "") for name in self.equal)


@dataclass(frozen=True, slots=True)
class Cause:
    """A firing alert, or a monitor that is down, with those of its labels that are asked for, its name and group."""

    cause_id: UUID
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class StandingInhibition:
    """An inhibition with its causes that stand now, by the values that have to be alike."""

    inhibition: Inhibition
    causes: Mapping[tuple[str, ...], tuple[Cause, ...]]

    def find_cause(self, labels: Mapping[str, str]) -> Cause | None:
        """What explains an alert with these labels, if anything does.

        As in Alertmanager an alert that matches both sides is not explained by what matches both sides too: so none
        inhibits itself, and of several that explain each other none goes untold. Nor does a monitor depend on itself.
        """
        inhibition = self.inhibition
        found = self.causes.get(inhibition.key_of(labels), ())
        if not found or not inhibition.target.matches(labels):
            return None
        is_cause = inhibition.causes.matches(labels)
        asked = (cause for cause in islice(found, MAX_ASKED) if not (is_cause and self._is_target(cause, labels)))
        if inhibition.depends_on is not None:
            asked = (cause for cause in asked if not _is_same_monitor(cause.labels, labels))
        return next(asked, None)

    def _is_target(self, cause: Cause, labels: Mapping[str, str]) -> bool:
        # A monitor has no severity, no name of an alert: it is judged by an alert like this one.
        as_alert = cause.labels if self.inhibition.depends_on is None else {**labels, **cause.labels}
        return self.inhibition.target.matches(as_alert)


def standing_of(inhibition: Inhibition, causes: Iterable[Cause]) -> StandingInhibition:
    """The inhibition with those of the causes that match it; first come those that are not its targets themselves."""
    found: dict[tuple[str, ...], list[Cause]] = {}
    for cause in causes:
        if inhibition.causes.matches(cause.labels):
            found.setdefault(inhibition.key_of(cause.labels), []).append(cause)
    return StandingInhibition(
        inhibition,
        {
            key: tuple(sorted(alike, key=lambda cause: inhibition.target.matches(cause.labels)))
            for key, alike in found.items()
        },
    )


def _is_same_monitor(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    return all(one.get(name, "") == other.get(name, "") for name in ("group", "monitor"))
