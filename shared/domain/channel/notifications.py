"""What can be told, and to whom: one frozen model a kind of channel."""

import base64
import binascii
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, SkipValidation, WithJsonSchema

from shared.domain.channel.service_channels import AlertmanagerChannel, AppriseChannel, PagerDutyChannel, SlackChannel
from shared.domain.forms import HTTP_URL, MAIL_ADDRESS
from shared.domain.notice.notices import NoticeContent


class Message(BaseModel):
    """What is told."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    title: Annotated[str, Field(min_length=1, max_length=300)]
    text: Annotated[str, Field(max_length=20_000)] = ""


class Event(BaseModel):
    """What happened, as a webhook's body tells it (Standard Webhooks); only Tocsin itself makes one."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    type: str
    timestamp: str
    """RFC 3339."""
    data: dict[str, Any]


class EventMessage(Message):
    """A message of Tocsin's own: programs are told the event, people read title and text."""

    event: Event


class AlertMessage(Message):
    """A notice of alerts, rendered for people; each notifier tells the `content` in its channel's own form.

    `html` is for mail, `body` a webhook's whole body, JSON, where the channel has a template for it. `receipt` is what
    the channel gave for the group's notice before, so that it can be updated in place. `template_failed` is why a
    template of the channel's own was not used.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, arbitrary_types_allowed=True)

    content: SkipValidation[NoticeContent]
    html: str | None = None
    body: str | None = None
    receipt: dict[str, Any] | None = None
    external_url: str | None = None
    template_failed: str | None = None


SECRET_BYTES = range(24, 65)


def read_webhook_secret(secret: str) -> bytes:
    """The bytes of a webhook's secret.

    Raises:
        ValueError: it is not what Standard Webhooks asks for; the message does not tell it.
    """
    try:
        key = base64.b64decode(secret.removeprefix("whsec_") + "==")
    except (binascii.Error, ValueError):
        key = b""
    if len(key) not in SECRET_BYTES:
        raise ValueError('the secret is not "whsec_" and 24 to 64 bytes in base64')
    return key


def _check_secret(secret: SecretStr) -> SecretStr:
    read_webhook_secret(secret.get_secret_value())
    return secret


WebhookSecret = Annotated[
    SecretStr,
    AfterValidator(_check_secret),
    WithJsonSchema(
        {"type": "string", "format": "webhook-secret", "examples": ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]}
    ),
]


class CompletionWebhook(BaseModel):
    """An address that is told a job's end."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    url: Annotated[str, Field(min_length=8, max_length=4096, pattern=HTTP_URL, examples=["https://hooks.example/jobs"])]
    secret: Annotated[WebhookSecret | None, Field(description="Signs what is told; unsigned without one.")] = None


class WebhookChannel(BaseModel):
    """An address that gets a signed POST (Standard Webhooks)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    kind: Literal["webhook"]
    url: Annotated[str, Field(min_length=8, max_length=4096)]
    secret: SecretStr | None = None
    """`whsec_` and 24 to 64 bytes in base64; without one the message goes out unsigned."""


class EmailChannel(BaseModel):
    """Addresses that get an e-mail."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    kind: Literal["email"]
    to: Annotated[
        list[Annotated[str, Field(pattern=MAIL_ADDRESS)]],
        Field(min_length=1, max_length=50),
    ]
    smtp_url: SecretStr | None = None
    """`smtp://`, `smtp+starttls://` or `smtps://user:password@host:port`; else the setting `TOCSIN_SMTP_URL`."""


Channel = Annotated[
    WebhookChannel | EmailChannel | AppriseChannel | AlertmanagerChannel | PagerDutyChannel | SlackChannel,
    Field(discriminator="kind"),
]
