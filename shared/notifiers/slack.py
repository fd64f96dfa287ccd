"""The `slack` notifier: with a token it updates a group's message in place, by a webhook it sends a new one."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from shared.domain.channel.channel_identity import channel_secrets_of
from shared.domain.channel.notifications import AlertMessage, Message
from shared.domain.channel.service_channels import SlackChannel
from shared.domain.job.jobs import Failure
from shared.domain.notice.notices import NoticeKind
from shared.notifiers.base import Delivery
from shared.notifiers.posting import Posted, Poster
from shared.notifiers.slack_messages import write_slack

_PASSING = frozenset(
    {"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"}
    | {"team_added_to_org", "accesslimited", "external_channel_migrating"}
)
"""The errors of Slack's API after which trying again can help."""
_NOT_THERE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed", "channel_not_found"})
"""Why a message can no longer be updated; then a new one is sent."""


class SlackNotifier:
    """Posts with a client of the process; what a message is updated by is the `receipt`, its channel and its moment."""

    def __init__(self, poster: Poster) -> None:
        self._poster = poster

    async def deliver(self, channel: SlackChannel, message: Message, *, notification_id: UUID) -> Delivery:
        """Send the message, or update that of the group and say in its thread what is new."""
        body = write_slack(message)
        if channel.webhook_url is not None:
            secrets = channel_secrets_of(channel)
            posted = await self._poster.post(channel.webhook_url.get_secret_value(), body, secrets=secrets)
            return Delivery(posted.detail, posted.failure)
        body["metadata"] = {"event_type": "tocsin_notice", "event_payload": {"id": str(notification_id)}}
        receipt = _usable_receipt(channel, message)
        if receipt is None:
            return await self._send(channel, message, body)
        place = {"channel": receipt["channel"], "ts": receipt["ts"]}
        posted = _judged(await self._call(channel, "chat.update", body | place))
        if posted.said.get("error") in _NOT_THERE:
            return await self._send(channel, message, body)
        if posted.failure is None:
            posted = _judged(await self._call(channel, "chat.postMessage", _reply(message, receipt)))
        return Delivery(posted.detail, posted.failure, receipt=_receipt(channel, message, place))

    async def close(self) -> None:
        """The client is the process's."""

    async def _send(self, channel: SlackChannel, message: Message, body: Mapping[str, Any]) -> Delivery:
        posted = _judged(await self._call(channel, "chat.postMessage", {**body, "channel": channel.channel}))
        if posted.failure is not None:
            return Delivery(posted.detail, posted.failure)
        return Delivery(posted.detail, receipt=_receipt(channel, message, posted.said))

    async def _call(self, channel: SlackChannel, method: str, body: Mapping[str, Any]) -> Posted:
        token = "" if channel.token is None else channel.token.get_secret_value()
        return await self._poster.post(
            f"{channel.api_url.rstrip('/')}/{method}",
            body,
            headers={"Authorization": f"Bearer {token}"},
            secrets=channel_secrets_of(channel),
        )


def _usable_receipt(channel: SlackChannel, message: Message) -> Mapping[str, Any] | None:
    """The receipt of the group's message, unless it has told of its end, or the channel leads elsewhere since."""
    if not isinstance(message, AlertMessage) or message.receipt is None:
        return None
    receipt = message.receipt
    is_whole = isinstance(receipt.get("channel"), str) and isinstance(receipt.get("ts"), str)
    return receipt if is_whole and not receipt.get("is_over") and receipt.get("for") == channel.channel else None


def _receipt(channel: SlackChannel, message: Message, place: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if not isinstance(message, AlertMessage) or "ts" not in place:
        return None
    is_over = message.content.status != "firing"
    return {"channel": place.get("channel"), "ts": place["ts"], "for": channel.channel, "is_over": is_over}


def _reply(message: Message, receipt: Mapping[str, Any]) -> dict[str, Any]:
    """What is said in the thread; the channel sees it too when something fires, since an update rings nowhere."""
    reply = {"channel": receipt["channel"], "thread_ts": receipt["ts"], "text": write_slack(message)["text"]}
    is_loud = isinstance(message, AlertMessage) and (
        message.content.kind is NoticeKind.REMINDER
        or any(alert.is_news and alert.status == "firing" for alert in message.content.alerts)
    )
    return reply | ({"reply_broadcast": True} if is_loud else {})


def _judged(posted: Posted) -> Posted:
    """The answer of Slack's API, which says in its body whether it took the message."""
    if posted.failure is not None or posted.said.get("ok") is True:
        return posted
    error = posted.said.get("error")
    if not isinstance(error, str):
        return Posted(posted.detail, Failure("unavailable", "the receiver is not Slack's API"), posted.said)
    failure = Failure("refused", f"Slack answered {error[:100]}", is_permanent=error not in _PASSING)
    return Posted(posted.detail, failure, posted.said)
