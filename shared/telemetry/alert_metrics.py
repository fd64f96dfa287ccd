"""What a process counts of the changes of alerts that it wrote (Prometheus)."""

from collections.abc import Iterable

from prometheus_client import Counter

from shared.domain.alert.alerts import Reason, Severity
from shared.domain.live import AlertTold, LiveEvent

ALERT_CHANGES = Counter(
    "tocsin_alert_changes",
    "Changes of alerts' states that this process wrote, by the new state.",
    ["state", "severity"],
)

_REASONS = frozenset(Reason)
_SEVERITIES = frozenset(Severity)


def note_changes(events: Iterable[LiveEvent]) -> None:
    """Count what was committed; who acknowledged an alert has not changed its state.

    An alert that was sent in may have any severity: those that are none of ours are counted as `other`.
    """
    for event in events:
        if isinstance(event, AlertTold) and event.reason in _REASONS:
            severity = event.severity if event.severity in _SEVERITIES else "other"
            ALERT_CHANGES.labels(event.state.value, severity).inc()
