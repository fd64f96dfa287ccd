"""How alerts are written into answers, as `api.schemas.alerts` describes them."""

from uuid import UUID

from api.schemas.alerts import ALERTS_PATH, AlertCounts
from shared.storage.alert.alert_event_store import AlertEvent
from shared.storage.alert.alert_reading import KeptAlert, OpenCount


def alert_json(alert: KeptAlert) -> dict[str, object]:
    """An alert as `AlertView` describes it."""
    is_seen = alert.acknowledged_at is not None
    seen = {"at": alert.acknowledged_at, "by": alert.acknowledged_by or "", "note": alert.acknowledged_note}
    return {
        "id": str(alert.alert_id),
        "name": alert.name,
        "severity": alert.severity,
        "state": alert.state.value,
        "reason": alert.reason,
        "flapping": alert.is_flapping,
        "source": alert.source.value,
        "rule_id": _text_of(alert.rule_id),
        "rule_version": alert.rule_version,
        "monitor_id": _text_of(alert.monitor_id),
        "labels": alert.labels,
        "annotations": alert.annotations,
        "evidence": alert.evidence,
        "started_at": alert.started_at,
        "fired_at": alert.fired_at,
        "resolved_at": alert.resolved_at,
        "expires_at": alert.expires_at,
        "acknowledged": seen if is_seen else None,
        "escalated": alert.escalated,
        "escalate_at": alert.escalate_at,
        "generator_url": alert.generator_url,
        "fingerprint": alert.fingerprint.hex(),
        "version": alert.version,
        "links": {
            "self": f"{ALERTS_PATH}/{alert.alert_id}",
            "explain": f"{ALERTS_PATH}/{alert.alert_id}/explain",
            "rule": None if alert.rule_id is None else f"/api/v1/rules/{alert.rule_id}",
            "monitor": None if alert.monitor_id is None else f"/api/v1/monitors/{alert.monitor_id}",
        },
    }


def event_json(event: AlertEvent) -> dict[str, object]:
    """An event as `AlertEventView` describes it."""
    return {"at": event.at, "kind": event.kind, "reason": event.reason, "by": event.by, "detail": event.detail}


def summary_json(counts: list[OpenCount]) -> dict[str, object]:
    """How many are open, as `AlertSummaryView` describes it."""
    severities: dict[str, dict[str, int]] = {}
    for each in counts:
        of_severity = severities.setdefault(each.severity, dict.fromkeys(AlertCounts.model_fields, 0))
        of_severity[each.state.value] += each.alerts
        of_severity["acknowledged"] += each.acknowledged
    total = {name: sum(each[name] for each in severities.values()) for name in AlertCounts.model_fields}
    return {**total, "severities": severities}


def _text_of(value: UUID | None) -> str | None:
    return None if value is None else str(value)
