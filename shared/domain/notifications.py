"""What can be told, and to whom: one frozen model a kind of channel."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

# Dialects of regular expressions differ in what white space is; the controls and marks they differ in stand by name.
_ADDRESS_PART = r"[^@\s,;<>\x00-\x1f\x7f-\x9f\ufeff]+"


class Message(BaseModel):
    """What is told."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    title: Annotated[str, Field(min_length=1, max_length=300)]
    text: Annotated[str, Field(max_length=20_000)] = ""


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
        list[Annotated[str, Field(pattern=f"^{_ADDRESS_PART}@{_ADDRESS_PART}$")]],
        Field(min_length=1, max_length=50),
    ]
    smtp_url: SecretStr | None = None
    """`smtp://`, `smtp+starttls://` or `smtps://user:password@host:port`; else the setting `TOCSIN_SMTP_URL`."""


Channel = Annotated[WebhookChannel | EmailChannel, Field(discriminator="kind")]
