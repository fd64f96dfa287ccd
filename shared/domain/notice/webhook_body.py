"""A notice as Alertmanager's webhook tells one, version 4, so that whatever reads those can read ours."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from shared.domain.notice.notice_view import alert_url
from shared.domain.notice.notices import NoticeContent, ToldAlert

VERSION = "4"
NOT_YET = "0001-01-01T00:00:00Z"
"""What Alertmanager has for the end of an alert that still fires, Go's zero time."""


def webhook_body(content: NoticeContent, *, external_url: str | None) -> dict[str, Any]:
    """The payload; the fields and their names are Alertmanager's (template.Data), in its order."""
    return {
        "version": VERSION,
        "groupKey": content.group_key,
        "truncatedAlerts": content.truncated,
        "status": content.status,
        "receiver": content.receiver,
        "groupLabels": dict(content.group_labels),
        "commonLabels": dict(content.common_labels),
        "commonAnnotations": dict(content.common_annotations),
        "externalURL": external_url or "",
        "alerts": [alert_body(alert, external_url=external_url) for alert in life_after_life(content.alerts)],
    }


def life_after_life(alerts: Sequence[ToldAlert]) -> list[ToldAlert]:
    """The alerts in their order, but for the earlier lives of one that is told twice: they go before all else.

    Receivers that know alerts by their labels believe what they read last; one that fires again must not end there.
    """
    latest = {_known_by(alert): alert.starts_at for alert in sorted(alerts, key=lambda alert: alert.starts_at)}
    earlier = [alert for alert in alerts if alert.starts_at < latest[_known_by(alert)]]
    ids = {alert.alert_id for alert in earlier}
    return [*sorted(earlier, key=lambda alert: alert.starts_at), *(each for each in alerts if each.alert_id not in ids)]


def _known_by(alert: ToldAlert) -> frozenset[tuple[str, str]]:
    return frozenset(alert.labels.items())


def alert_body(alert: ToldAlert, *, external_url: str | None) -> dict[str, Any]:
    """One alert of it."""
    return {
        "status": alert.status,
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "startsAt": rfc3339(alert.starts_at),
        "endsAt": rfc3339(alert.ends_at) if alert.ends_at else NOT_YET,
        "generatorURL": alert.generator_url or alert_url(alert.alert_id, external_url),
        "fingerprint": alert.fingerprint,
    }


def rfc3339(at: datetime) -> str:
    """A moment as RFC 3339 writes it, in UTC."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
