"""Alerts as events of PagerDuty's Events API v2; pure."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from shared.domain.channel.notifications import AlertMessage, Message
from shared.domain.notice.notice_view import alert_url
from shared.domain.notice.notices import NoticeContent, NoticeKind, ToldAlert

MAX_SUMMARY = 1024
CLIENT = "Tocsin"
_SEVERITIES = {"critical": "critical", "error": "error", "warning": "warning", "info": "info"}

Event = Mapping[str, Any]


def events_of(message: Message, *, notification_id: UUID) -> list[list[Event]]:
    """What is to be sent, without the routing key: for each alert its events in their order.

    An alert is known by its id (`dedup_key`), one life of it one incident: so a repeated event changes nothing, and a
    late resolve cannot end the incident of its next life. A test opens an incident and resolves it at once.
    """
    if not isinstance(message, AlertMessage):
        return [[_of_message(message, notification_id)]]
    content = message.content
    if content.kind is NoticeKind.TEST or not content.alerts:
        key = str(notification_id)
        return [[_of_message(message, notification_id), {"event_action": "resolve", "dedup_key": key}]]
    return [_of_alert(alert, content, message.external_url) for alert in content.alerts if _is_told(alert, content)]


def _is_told(alert: ToldAlert, content: NoticeContent) -> bool:
    """News are, and in a reminder all that fires: somebody may have resolved it there by hand."""
    return alert.is_news or (content.kind is NoticeKind.REMINDER and alert.status == "firing")


def _of_alert(alert: ToldAlert, content: NoticeContent, external_url: str | None) -> list[Event]:
    key = str(alert.alert_id)
    if alert.status != "firing":
        return [{"event_action": "resolve", "dedup_key": key}]
    place = alert.labels.get("monitor") or alert.labels.get("instance") or content.receiver
    summary = alert.annotations.get("summary") or f"{alert.name}: {place}"
    links = _links(alert, external_url)
    payload: dict[str, Any] = {
        "summary": summary[:MAX_SUMMARY],
        "source": place[:255],
        "severity": _SEVERITIES.get(alert.severity, "warning"),
        "timestamp": alert.starts_at,
        "class": alert.name[:255],
        "custom_details": {
            "labels": dict(alert.labels),
            "annotations": dict(alert.annotations),
            "evidence": dict(alert.evidence),
        },
    }
    if group := alert.labels.get("group"):
        payload["group"] = group[:255]
    trigger: Event = {
        "event_action": "trigger",
        "dedup_key": key,
        "client": CLIENT,
        "payload": payload,
        **({"client_url": external_url} if external_url else {}),
        **({"links": links} if links else {}),
    }
    return [trigger, {"event_action": "acknowledge", "dedup_key": key}] if alert.acknowledged_by else [trigger]


def _links(alert: ToldAlert, external_url: str | None) -> list[dict[str, str]]:
    places = (
        (alert_url(alert.alert_id, external_url), "Why this fires"),
        (alert.annotations.get("runbook_url", ""), "Runbook"),
        (alert.generator_url or "", "Source"),
    )
    return [{"href": href, "text": text} for href, text in places if href.startswith(("http://", "https://"))]


def _of_message(message: Message, notification_id: UUID) -> Event:
    payload: dict[str, Any] = {"summary": message.title[:MAX_SUMMARY], "source": CLIENT, "severity": "info"}
    if message.text:
        payload["custom_details"] = {"text": message.text}
    return {"event_action": "trigger", "dedup_key": str(notification_id), "client": CLIENT, "payload": payload}
