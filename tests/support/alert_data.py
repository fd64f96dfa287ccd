"""Alerts for tests: subjects and changes without anything that does not matter."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from uuid_utils.compat import uuid7

from shared.domain.alert.alert_changes import AlertChange, AlertSource, AlertSubject, fingerprint_of_rule
from shared.domain.alert.alerts import Reason, Transition

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
RULE = UUID("01a00000-0000-7000-8000-000000000001")


def monitor_id(number: int) -> UUID:
    """The id of one of the monitors that a rule judges."""
    return UUID(int=RULE.int + 0x1000 + number)


def subject_of(number: int = 0, **changed: object) -> AlertSubject:
    """What the alert of a rule on a monitor is about."""
    about: dict[str, object] = {
        "source": AlertSource.RULE,
        "fingerprint": fingerprint_of_rule(RULE, monitor_id(number)),
        "name": "slow",
        "severity": "warning",
        "labels": {"alertname": "slow", "severity": "warning", "monitor": f"m{number}", "team": "web"},
        "rule_id": RULE,
        "rule_version": 1,
        "monitor_id": monitor_id(number),
    }
    return AlertSubject(**about | changed)  # type: ignore[arg-type]


def pends(subject: AlertSubject, *, minute: float = 0, alert_id: UUID | None = None) -> AlertChange:
    """It is met, but not yet for long enough."""
    at = START + minute * MINUTE
    return AlertChange(
        alert_id or uuid7(), Transition.PEND, Reason.NOT_YET_LONG_ENOUGH, at, at, subject=subject, is_new=True
    )


def fires(subject: AlertSubject, *, minute: float = 0, alert_id: UUID | None = None) -> AlertChange:
    """It fires at once, or does so now when it is pending under this id."""
    at = START + minute * MINUTE
    return AlertChange(
        alert_id or uuid7(), Transition.FIRE, Reason.MET, at, at, subject=subject, is_new=alert_id is None,
        evidence={"value": 312.5},
    )  # fmt: skip


def ends(
    alert_id: UUID, *, minute: float, reason: Reason = Reason.NOT_MET, transition: Transition = Transition.RESOLVE
) -> AlertChange:
    """It is over."""
    return AlertChange(alert_id, transition, reason, START + minute * MINUTE, START)
