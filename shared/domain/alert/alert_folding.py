"""What changes make of the alerts that are there, one after the other; pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.domain.alert.alert_changes import AlertChange, AlertSubject
from shared.domain.alert.alerts import OPEN_STATES, AlertState, Transition


@dataclass(frozen=True, slots=True)
class AlertStanding:
    """An alert as it stands; `subject` and `evidence` are None as long as changes leave them as they are kept."""

    alert_id: UUID
    fingerprint: bytes
    name: str
    severity: str
    state: AlertState
    reason: str
    rule_id: UUID | None = None
    monitor_id: UUID | None = None
    started_at: datetime | None = None
    fired_at: datetime | None = None
    resolved_at: datetime | None = None
    escalate_at: datetime | None = None
    is_flapping: bool = False
    subject: AlertSubject | None = None
    evidence: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class AlertStep:
    """A change as it took effect, under the id of the alert that it changed, and the alert after it."""

    change: AlertChange
    after: AlertStanding


@dataclass(slots=True)
class FoldedAlerts:
    """What changes make of alerts: the `steps` that took effect, and where the alerts stand in the end.

    `added` have no row yet. `adopted` leads from the id of a change to that of the open alert it was applied to.
    """

    standings: dict[UUID, AlertStanding]
    steps: list[AlertStep] = field(default_factory=list)
    added: set[UUID] = field(default_factory=set)
    adopted: dict[UUID, UUID] = field(default_factory=dict)


def effect_on(state: AlertState | None, transition: Transition) -> Transition:
    """What a transition does to an alert in a state, None for one that is not there.

    One that has been applied before does nothing, so that the same change may come twice. What ends a firing alert
    resolves it and what ends a pending one clears it, whatever the change took it for: a firing that somebody may have
    been told of is never cleared without a word.
    """
    match state, transition:
        case (None, Transition.PEND | Transition.FIRE) | (AlertState.PENDING, Transition.FIRE):
            return transition
        case (AlertState.PENDING, Transition.CLEAR | Transition.RESOLVE):
            return Transition.CLEAR
        case (AlertState.FIRING, Transition.CLEAR | Transition.RESOLVE):
            return Transition.RESOLVE
    return Transition.NONE


def fold_changes(known: Iterable[AlertStanding], changes: Sequence[AlertChange]) -> FoldedAlerts:
    """Apply changes to the alerts that are known, in their order.

    One that would open a second alert of a fingerprint is applied to the open one, and so are those that follow it.
    """
    folded = FoldedAlerts({standing.alert_id: standing for standing in known})
    opened = {each.fingerprint: each.alert_id for each in folded.standings.values() if each.state in OPEN_STATES}
    for change in changes:
        before = _find(folded, opened, change)
        effect = effect_on(None if before is None else before.state, change.transition)
        if effect is Transition.NONE or (before is None and change.subject is None):
            continue
        alert_id = change.alert_id if before is None else before.alert_id
        effective = replace(change, alert_id=alert_id, transition=effect, is_new=before is None)
        after = _after(before, effective)
        folded.standings[alert_id] = after
        folded.steps.append(AlertStep(effective, after))
        if before is None:
            folded.added.add(alert_id)
        if after.state in OPEN_STATES:
            opened[after.fingerprint] = alert_id
        else:
            opened.pop(after.fingerprint, None)
    return folded


def _find(folded: FoldedAlerts, opened: Mapping[bytes, UUID], change: AlertChange) -> AlertStanding | None:
    alert_id = folded.adopted.get(change.alert_id, change.alert_id)
    if alert_id not in folded.standings and change.subject is not None and change.subject.fingerprint in opened:
        alert_id = folded.adopted[change.alert_id] = opened[change.subject.fingerprint]
    return folded.standings.get(alert_id)


def _after(before: AlertStanding | None, change: AlertChange) -> AlertStanding:
    match change.transition:
        case Transition.PEND:
            return _begun(before, change, AlertState.PENDING)
        case Transition.FIRE:
            fired = _begun(before, change, AlertState.FIRING)
            escalation = () if change.subject is None else change.subject.escalation
            escalate_at = change.at + escalation[0].after if escalation else None
            return replace(fired, fired_at=change.at, escalate_at=escalate_at)
    if before is None:
        raise ValueError("an alert that is not there cannot end")
    return replace(
        before, state=AlertState.RESOLVED, reason=change.reason.value, resolved_at=change.at, escalate_at=None
    )


def _begun(before: AlertStanding | None, change: AlertChange, state: AlertState) -> AlertStanding:
    """The alert as its subject says that it is about, and as the numbers it was judged by."""
    subject = change.subject
    if before is None:
        if subject is None:
            raise ValueError("an alert begins with its subject")
        before = AlertStanding(
            change.alert_id, subject.fingerprint, subject.name, subject.severity, state, change.reason.value,
            rule_id=subject.rule_id, monitor_id=subject.monitor_id, started_at=change.since,
        )  # fmt: skip
    if subject is not None:
        before = replace(before, name=subject.name, severity=subject.severity, subject=subject)
    return replace(
        before,
        state=state,
        reason=change.reason.value,
        is_flapping=change.is_flapping,
        evidence=change.evidence,
    )
