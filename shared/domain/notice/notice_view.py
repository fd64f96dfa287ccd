"""What templates of notices and annotations may speak of."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.domain.alert.reasons_in_words import why_in_words
from shared.domain.notice.notices import NoticeContent, ToldAlert

NOTICE_NAMES = frozenset(
    {
        "status",
        "kind",
        "receiver",
        "number",
        "group_labels",
        "common_labels",
        "common_annotations",
        "alerts",
        "firing",
        "resolved",
        "truncated",
        "external_url",
    }
)
"""The names that a channel's template may speak of."""

ANNOTATION_NAMES = frozenset({"labels", "value", "threshold", "evidence"})
"""The names that a rule's annotation may speak of."""

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))


def notice_view(content: NoticeContent, *, external_url: str | None) -> dict[str, Any]:
    """A notice, as its channel's templates see it."""
    alerts = [_alert_view(alert, content.composed_at, external_url) for alert in content.alerts]
    return {
        "status": content.status,
        "kind": content.kind.value,
        "receiver": content.receiver,
        "number": content.number,
        "group_labels": dict(content.group_labels),
        "common_labels": dict(content.common_labels),
        "common_annotations": dict(content.common_annotations),
        "alerts": alerts,
        "firing": [alert for alert in alerts if alert["status"] == "firing"],
        "resolved": [alert for alert in alerts if alert["status"] == "resolved"],
        "truncated": content.truncated,
        "external_url": external_url or "",
    }


def annotation_view(labels: Mapping[str, str], evidence: Mapping[str, Any]) -> dict[str, Any]:
    """An alert, as its rule's annotations see it; `value` and `threshold` are those of the first comparison."""
    first = _first_comparison(evidence)
    return {
        "labels": dict(labels),
        "value": first.get("value"),
        "threshold": first.get("threshold"),
        "evidence": dict(evidence),
    }


def alert_url(alert_id: object, external_url: str | None) -> str:
    """Where an alert explains itself, or nothing without an address of our own."""
    return f"{external_url.rstrip('/')}/api/v1/alerts/{alert_id}/explain" if external_url else ""


def _alert_view(alert: ToldAlert, now: datetime, external_url: str | None) -> dict[str, Any]:
    first = _first_comparison(alert.evidence)
    return {
        "id": str(alert.alert_id),
        "status": alert.status,
        "is_news": alert.is_news,
        "name": alert.name,
        "severity": alert.severity,
        "monitor": alert.labels.get("monitor", ""),
        "group": alert.labels.get("group", ""),
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "starts_at": moment(alert.starts_at),
        "ends_at": moment(alert.ends_at) if alert.ends_at else "",
        "lasted": duration_words((alert.ends_at or now) - alert.starts_at),
        "reason": alert.reason,
        "value": first.get("value"),
        "threshold": first.get("threshold"),
        "why": why_in_words(alert.evidence),
        "evidence": dict(alert.evidence),
        "is_flapping": alert.is_flapping,
        "acknowledged_by": alert.acknowledged_by or "",
        "url": alert_url(alert.alert_id, external_url),
        "generator_url": alert.generator_url or "",
        "fingerprint": alert.fingerprint,
    }


def _first_comparison(evidence: Mapping[str, Any]) -> Mapping[str, Any]:
    comparisons: Sequence[Mapping[str, Any]] = evidence.get("comparisons") or ({},)
    return comparisons[0]


def moment(at: datetime) -> str:
    """A moment for people, to the second."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def duration_words(span: timedelta) -> str:
    """A duration for people, in its two largest units: `2d 3h`."""
    left = max(int(span.total_seconds()), 0)
    parts = []
    for seconds, unit in _UNITS:
        count, left = divmod(left, seconds)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2]) or "0s"
