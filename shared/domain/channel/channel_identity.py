"""How a channel is shown without its secrets, and whether it has any."""

from typing import Any, assert_never
from urllib.parse import urlsplit

from shared.domain.channel.notifications import Channel, CompletionWebhook, EmailChannel, WebhookChannel
from shared.domain.secret.masking import MASK


def mask_channel(channel: Channel) -> dict[str, Any]:
    """The channel as JSON with every secret masked; a webhook's path often is its secret, so only its host is shown."""
    match channel:
        case WebhookChannel():
            shown: dict[str, Any] = {"kind": channel.kind, "url": _origin(channel.url)}
            return shown | ({} if channel.secret is None else {"secret": MASK})
        case EmailChannel():
            shown = {"kind": channel.kind, "to": list(channel.to)}
            return shown | ({} if channel.smtp_url is None else {"smtp_url": MASK})
        case _:
            assert_never(channel)


def has_channel_secrets(channel: Channel | CompletionWebhook) -> bool:
    """Whether the channel has to be sealed: what people are not shown of it is a secret."""
    match channel:
        case WebhookChannel() | CompletionWebhook():
            return channel.secret is not None or MASK in _origin(channel.url) or "@" in channel.url
        case EmailChannel():
            return channel.smtp_url is not None
        case _:
            assert_never(channel)


def channel_secrets_of(channel: WebhookChannel) -> list[str]:
    """What of a webhook must not be told on when the receiver sends it back to us: password, path and query."""
    try:
        parts = urlsplit(channel.url)
    except ValueError:
        return [channel.url]
    query = [value for _, _, value in (each.partition("=") for each in parts.query.split("&"))]
    return [parts.path.strip("/"), *query, parts.password or ""]


def _origin(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return MASK
    rest = f"/{MASK}" if parts.path.strip("/") or parts.query else ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{rest}"
