"""The `alertmanager` notifier: alerts posted to another Alertmanager's API v2, as a Prometheus does."""

from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from shared.clock import Clock, utc_now
from shared.domain.channel.channel_identity import channel_secrets_of
from shared.domain.channel.notifications import AlertMessage, Message
from shared.domain.channel.service_channels import AlertmanagerChannel
from shared.domain.notice.notice_view import alert_url
from shared.domain.notice.notices import ToldAlert
from shared.domain.notice.webhook_body import life_after_life
from shared.notifiers.base import Delivery
from shared.notifiers.posting import Poster

FIRING_LASTS = timedelta(days=366)
"""How long the peer believes in a firing alert that it is told nothing more of.

A Prometheus repeats itself every minute and says minutes here. We tell once, and owe the resolve until it is told: so
the peer must not end an alert by itself before that. Reminders say the same again from then on.
"""
MESSAGE_LASTS = timedelta(minutes=5)
"""How long a message that is no alert stands there; Alertmanager's own `resolve_timeout`."""


class AlertmanagerNotifier:
    """Posts with a client of the process. There an alert is known by its labels, so that a repeat changes nothing."""

    def __init__(self, poster: Poster, clock: Clock = utc_now) -> None:
        self._poster = poster
        self._clock = clock

    async def deliver(self, channel: AlertmanagerChannel, message: Message, *, notification_id: UUID) -> Delivery:
        """Post all alerts of a notice at once, or a message as an alert of five minutes."""
        if isinstance(message, AlertMessage) and message.content.alerts:
            composed_at = message.content.composed_at
            told = life_after_life(message.content.alerts)
            alerts = [_write_alert(alert, composed_at, message.external_url) for alert in told]
        else:
            alerts = [_write_message(message, notification_id=notification_id, now=self._clock())]
        posted = await self._poster.post(
            f"{channel.url.rstrip('/')}/api/v2/alerts",
            alerts,
            headers=_authorization(channel),
            secrets=channel_secrets_of(channel),
        )
        return Delivery(posted.detail, posted.failure)

    async def close(self) -> None:
        """The client is the process's."""


def _write_alert(alert: ToldAlert, composed_at: datetime, external_url: str | None) -> dict[str, Any]:
    """The alert as Alertmanager's API v2 has it; it knows no label without a value."""
    written: dict[str, Any] = {
        "labels": {name: value for name, value in alert.labels.items() if value},
        "annotations": {name: value for name, value in alert.annotations.items() if value},
        "startsAt": alert.starts_at,
        "endsAt": alert.ends_at or composed_at + FIRING_LASTS,
    }
    source = alert.generator_url or alert_url(alert.alert_id, external_url)
    return written | ({"generatorURL": source} if source else {})


def _write_message(message: Message, *, notification_id: UUID, now: datetime) -> dict[str, Any]:
    labels = {"alertname": "TocsinMessage", "severity": "info", "message": str(notification_id)}
    annotations = {"summary": message.title} | ({"description": message.text} if message.text else {})
    return {"labels": labels, "annotations": annotations, "startsAt": now, "endsAt": now + MESSAGE_LASTS}


def _authorization(channel: AlertmanagerChannel) -> Mapping[str, str]:
    if channel.token is not None:
        return {"Authorization": f"Bearer {channel.token.get_secret_value()}"}
    if channel.password is not None:
        pair = f"{channel.username}:{channel.password.get_secret_value()}"
        return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}
    return {}
