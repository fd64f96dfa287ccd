"""How a channel is shown without its secrets, and whether it has any."""

from typing import Any, assert_never
from urllib.parse import urlsplit

from pydantic import SecretStr

from shared.domain.channel.notifications import Channel, CompletionWebhook, EmailChannel, WebhookChannel
from shared.domain.channel.service_channels import (
    PAGERDUTY_URL,
    SLACK_API_URL,
    AlertmanagerChannel,
    AppriseChannel,
    PagerDutyChannel,
    SlackChannel,
)
from shared.domain.secret.masking import MASK


def mask_channel(channel: Channel) -> dict[str, Any]:
    """The channel as JSON with every secret masked; a webhook's path often is its secret, so only its host is shown."""
    shown: dict[str, Any]
    match channel:
        case WebhookChannel():
            shown = {"url": _origin(channel.url)} | _masked(secret=channel.secret)
        case EmailChannel():
            shown = {"to": list(channel.to)} | _masked(smtp_url=channel.smtp_url)
        case AppriseChannel():
            shown = {"urls": [f"{url.get_secret_value().partition(':')[0].lower()}://{MASK}" for url in channel.urls]}
        case AlertmanagerChannel():
            named = {} if channel.username is None else {"username": channel.username}
            shown = {"url": channel.url} | named | _masked(token=channel.token, password=channel.password)
        case PagerDutyChannel():
            place = {} if channel.url == PAGERDUTY_URL else {"url": channel.url}
            shown = _masked(routing_key=channel.routing_key) | place
        case SlackChannel():
            place = {} if channel.api_url == SLACK_API_URL else {"api_url": channel.api_url}
            where = {} if channel.channel is None else {"channel": channel.channel}
            hook = (
                {} if channel.webhook_url is None else {"webhook_url": _origin(channel.webhook_url.get_secret_value())}
            )
            shown = where | hook | _masked(token=channel.token) | place
        case _:
            assert_never(channel)
    return {"kind": channel.kind} | shown


def _masked(**secrets: SecretStr | None) -> dict[str, str]:
    return {name: MASK for name, secret in secrets.items() if secret is not None}


def has_channel_secrets(channel: Channel | CompletionWebhook) -> bool:
    """Whether the channel has to be sealed: what people are not shown of it is a secret."""
    match channel:
        case WebhookChannel() | CompletionWebhook():
            return channel.secret is not None or MASK in _origin(channel.url) or "@" in channel.url
        case EmailChannel():
            return channel.smtp_url is not None
        case AlertmanagerChannel():
            return channel.token is not None or channel.password is not None
        case AppriseChannel() | PagerDutyChannel() | SlackChannel():
            return True
        case _:
            assert_never(channel)


def channel_secrets_of(channel: WebhookChannel | AlertmanagerChannel | PagerDutyChannel | SlackChannel) -> list[str]:
    """What must not be told on when the receiver sends it back to us: of an address its password, path and query."""
    match channel:
        case WebhookChannel():
            return _url_secrets(channel.url)
        case AlertmanagerChannel():
            return _values(channel.token, channel.password)
        case PagerDutyChannel():
            return _values(channel.routing_key)
        case SlackChannel():
            urls = _values(channel.webhook_url)
            return [*_values(channel.token), *(part for url in urls for part in _url_secrets(url))]
        case _:
            assert_never(channel)


def _values(*secrets: SecretStr | None) -> list[str]:
    return [secret.get_secret_value() for secret in secrets if secret is not None]


def _url_secrets(url: str) -> list[str]:
    try:
        parts = urlsplit(url)
    except ValueError:
        return [url]
    query = [value for _, _, value in (each.partition("=") for each in parts.query.split("&"))]
    return [parts.path.strip("/"), *query, parts.password or ""]


def _origin(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return MASK
    rest = f"/{MASK}" if parts.path.strip("/") or parts.query else ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{rest}"
