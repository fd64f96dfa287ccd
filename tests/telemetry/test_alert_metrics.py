"""Changes of alerts are counted by what they changed into."""

from datetime import UTC, datetime
from uuid import uuid4

from prometheus_client import REGISTRY

from shared.domain.alert.alerts import AlertState
from shared.domain.live import AlertTold
from shared.telemetry.alert_metrics import note_changes

AT = datetime(2026, 3, 1, tzinfo=UTC)


def told(severity: str, reason: str) -> AlertTold:
    return AlertTold(uuid4(), None, None, AlertState.FIRING, AT, "slow", severity, reason)


def counted(severity: str) -> float:
    labels = {"state": "firing", "severity": severity}
    return REGISTRY.get_sample_value("tocsin_alert_changes_total", labels) or 0.0


def test_what_changes_no_state_is_not_counted() -> None:
    """Nor is a severity that was sent in a label of its own."""
    critical, other = counted("critical"), counted("other")
    note_changes([told("critical", "met"), told("critical", "acknowledged"), told("page", "met"), told("", "expired")])
    assert (counted("critical") - critical, counted("other") - other) == (1, 2)
    assert counted("page") == 0
