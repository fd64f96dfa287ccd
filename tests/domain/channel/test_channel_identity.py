"""Channels without their secrets."""

from typing import Any

import pytest
from pydantic import SecretStr, TypeAdapter, ValidationError

from shared.domain.channel.channel_identity import has_channel_secrets, mask_channel
from shared.domain.channel.notifications import Channel, EmailChannel, WebhookChannel

CHANNELS: TypeAdapter[Channel] = TypeAdapter(Channel)
ALERTMANAGER = {"kind": "alertmanager", "url": "http://am.example:9093/base"}
HOOK = "https://hooks.slack.com/services/T0/B0/s3cret"


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


@pytest.mark.parametrize(
    ("given", "shown", "is_secret"),
    [
        (
            {"kind": "apprise", "urls": ["DISCORD://id/s3cret", "json://u:s3cret@h.example/?+X=s3cret"]},
            {"urls": ["discord://***", "json://***"]},
            True,
        ),
        (ALERTMANAGER, {"url": "http://am.example:9093/base"}, False),
        (ALERTMANAGER | {"token": "s3cret"}, {"url": "http://am.example:9093/base", "token": "***"}, True),
        (
            ALERTMANAGER | {"username": "bell", "password": "s3cret"},
            {"url": "http://am.example:9093/base", "username": "bell", "password": "***"},
            True,
        ),
        ({"kind": "pagerduty", "routing_key": "s3cret"}, {"routing_key": "***"}, True),
        (
            {"kind": "pagerduty", "routing_key": "s3cret", "url": "https://events.eu.pagerduty.com"},
            {"routing_key": "***", "url": "https://events.eu.pagerduty.com"},
            True,
        ),
        ({"kind": "slack", "webhook_url": HOOK}, {"webhook_url": "https://hooks.slack.com/***"}, True),
        ({"kind": "slack", "token": "xoxb-s3cret", "channel": "#ops"}, {"token": "***", "channel": "#ops"}, True),
    ],
)
def test_services_are_shown_without_their_keys(
    given: dict[str, Any], shown: dict[str, Any], *, is_secret: bool
) -> None:
    """Of an address of Apprise only the service is shown, since any part of it may be a key."""
    channel = CHANNELS.validate_python(given)
    assert mask_channel(channel) == {"kind": given["kind"]} | shown
    assert has_channel_secrets(channel) is is_secret
    assert "s3cret" not in repr(channel)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"kind": "apprise", "urls": []}, "at least 1"),
        ({"kind": "apprise", "urls": ["s3cret"]}, "address of Apprise"),
        ({"kind": "apprise", "urls": ["syslog://s3cret"]}, "the worker's own machine"),
        (ALERTMANAGER | {"token": "s3cret", "username": "a", "password": "s3cret"}, "not both"),
        (ALERTMANAGER | {"username": "a"}, "go together"),
        (ALERTMANAGER | {"url": "https://u:s3cret@am.example"}, "pattern"),
        ({"kind": "slack"}, "give webhook_url, or token and channel"),
        ({"kind": "slack", "webhook_url": HOOK, "token": "s3cret", "channel": "C1"}, "give webhook_url, or token"),
        ({"kind": "slack", "token": "s3cret"}, "go together"),
        ({"kind": "slack", "webhook_url": "ftp://s3cret/x"}, "hooks.slack.com"),
    ],
)
def test_a_channel_that_cannot_work_is_refused_with_what_to_write(given: dict[str, Any], said: str) -> None:
    """And the refusal tells nothing of what was given."""
    with pytest.raises(ValidationError) as refused:
        CHANNELS.validate_python(given)
    sentences = [mistake["msg"] for mistake in refused.value.errors()]
    assert said in str(sentences)
    assert "s3cret" not in str(sentences)
