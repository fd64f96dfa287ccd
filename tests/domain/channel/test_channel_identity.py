"""Channels without their secrets."""

import pytest
from pydantic import SecretStr

from shared.domain.channel.channel_identity import mask_channel
from shared.domain.channel.notifications import EmailChannel, WebhookChannel


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://hooks.example/services/T0/B1/s3cret", "https://hooks.example/***"),
        ("https://user:s3cret@hooks.example:8443/", "https://hooks.example:8443"),
        ("https://hooks.example?token=s3cret", "https://hooks.example/***"),
        ("https://hooks.example#s3cret", "https://hooks.example"),
        ("https://[s3cret", "***"),
    ],
)
def test_of_a_webhook_only_the_host_is_shown(url: str, shown: str) -> None:
    """With most services the path is the secret."""
    assert mask_channel(WebhookChannel(kind="webhook", url=url)) == {"kind": "webhook", "url": shown}


def test_a_signing_secret_is_masked() -> None:
    """That there is one is shown, what it is not."""
    channel = WebhookChannel(kind="webhook", url="https://hooks.example", secret=SecretStr("whsec_s3cret"))
    assert mask_channel(channel)["secret"] == "***"


def test_of_a_mail_channel_the_addresses_are_shown() -> None:
    """The server's password is not."""
    channel = EmailChannel(kind="email", to=["a@b.example"], smtp_url=SecretStr("smtps://u:s3cret@mail.example:465"))
    assert mask_channel(channel) == {"kind": "email", "to": ["a@b.example"], "smtp_url": "***"}
