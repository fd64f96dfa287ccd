"""The `webhook` notifier: a signed POST after Standard Webhooks (https://www.standardwebhooks.com)."""

from datetime import UTC, datetime
from uuid import UUID

import orjson
from standardwebhooks import Webhook

from shared.clock import Clock, utc_now
from shared.domain.channel.channel_identity import channel_secrets_of
from shared.domain.channel.notifications import AlertMessage, EventMessage, Message, WebhookChannel, read_webhook_secret
from shared.domain.job.jobs import Failure
from shared.domain.notice.webhook_body import webhook_body
from shared.notifiers.base import Delivery
from shared.notifiers.http_answers import KEPT_ANSWER_BYTES, classify_result, detail_of
from shared.telemetry import with_traceparent
from shared.transport.curl import CurlClient
from shared.transport.http_exchange import HttpRequest

TIMEOUT_SECONDS = 20.0
"""Within the 15 to 30 seconds that Standard Webhooks asks senders to wait."""


class WebhookNotifier:
    """Posts to the channel's address with a client of the process, which it closes."""

    def __init__(self, client: CurlClient, clock: Clock = utc_now) -> None:
        self._client = client
        self._clock = clock

    async def deliver(self, channel: WebhookChannel, message: Message, *, notification_id: UUID) -> Delivery:
        """Post once; 2xx is delivered and nothing else. A redirect leads away from the address given: not followed."""
        now = self._clock()
        body = write_body(message, notification_id=notification_id, now=now)
        try:
            signature = _sign(channel, body, notification_id=notification_id, now=now)
        except ValueError as error:
            return Delivery({}, Failure("invalid_secret", str(error), is_permanent=True))
        result = await self._client.fetch(
            HttpRequest(
                url=channel.url,
                method="POST",
                headers=with_traceparent({"Content-Type": "application/json", **signature}),
                body=body,
                timeout_seconds=TIMEOUT_SECONDS,
                follow_redirects=False,
                read_limit=KEPT_ANSWER_BYTES,
            )
        )
        detail = detail_of(result, channel_secrets_of(channel))
        return Delivery(detail, classify_result(result, now=self._clock()))

    async def close(self) -> None:
        """Close the client."""
        await self._client.close()


def write_body(message: Message, *, notification_id: UUID, now: datetime) -> bytes:
    """The payload, `type`, `timestamp` and `data`; the same over all tries of an id that carries its time (UUIDv7)."""
    if isinstance(message, EventMessage):
        return orjson.dumps(message.event.model_dump())
    if isinstance(message, AlertMessage):
        return _write_notice(message)
    is_timed = notification_id.version == 7  # noqa: PLR2004 - RFC 9562's number of the version.
    moment = datetime.fromtimestamp((notification_id.int >> 80) / 1000, UTC) if is_timed else now
    data = {"id": str(notification_id), "title": message.title, "text": message.text}
    return orjson.dumps({"type": "notification.message", "timestamp": moment, "data": data}, option=orjson.OPT_UTC_Z)


def _write_notice(message: AlertMessage) -> bytes:
    """A notice of alerts: what the channel's template wrote, else as Alertmanager writes it."""
    if message.body is not None:
        return message.body.encode()
    return orjson.dumps(webhook_body(message.content, external_url=message.external_url))


def _sign(channel: WebhookChannel, body: bytes, *, notification_id: UUID, now: datetime) -> dict[str, str]:
    """The three headers; without a secret only the id and time, by which a repeat can be dropped."""
    headers = {"webhook-id": str(notification_id), "webhook-timestamp": str(int(now.timestamp()))}
    if channel.secret is None:
        return headers
    key = read_webhook_secret(channel.secret.get_secret_value())
    signature = Webhook(key).sign(msg_id=str(notification_id), timestamp=now, data=body.decode())
    return {**headers, "webhook-signature": signature}
