"""Channels as documents, of all kinds: secrets find back to their places, and to no others."""

from typing import Any

import pytest
from pydantic import ValidationError

from shared.domain.channel.channel_documents import (
    check_place,
    check_unmasked,
    document_of,
    keep_secrets,
    options_document,
)
from shared.domain.channel.channel_identity import has_channel_secrets, mask_channel
from shared.domain.channel.channel_specs import CHANNEL_KINDS, ChannelSpec, read_channel_spec
from shared.domain.channel.channels import ChannelOptions
from shared.domain.monitor.target_documents import WrongPlaceError

DOCUMENTS: dict[str, dict[str, Any]] = {
    "webhook": {"url": "https://hooks.example/tiger", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
    "email": {"to": ["ops@example.org"], "smtp_url": "smtps://ops:tiger@mail.example:465"},
    "apprise": {"urls": ["discord://tiger/one", "json://hooks.example/tiger"]},
    "alertmanager": {"url": "https://am.example", "username": "ops", "password": "tiger"},
    "pagerduty": {"routing_key": "tiger" * 6, "url": "https://events.example"},
    "slack": {"token": "xoxb-tiger", "channel": "C01", "api_url": "https://slack.example/api"},
}
SECRETS = ("tiger", "whsec_MfKQ")


def spec_of(kind: str, **changes: Any) -> ChannelSpec:
    return read_channel_spec({"name": "ops", "kind": kind} | DOCUMENTS[kind] | changes)


def test_each_kind_is_looked_at() -> None:
    """A new kind joins here."""
    assert set(DOCUMENTS) == set(CHANNEL_KINDS)


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_what_is_shown_holds_no_secret_and_sent_back_means_what_is_kept(kind: str) -> None:
    """Whoever reads a channel, changes a word and sends it back loses no secret, and learns none."""
    kept = spec_of(kind).channel
    shown = mask_channel(kept)
    assert not any(secret in str(shown) for secret in SECRETS)
    assert has_channel_secrets(kept)
    assert keep_secrets(shown, kept) == document_of(kept)
    assert read_channel_spec({"name": "ops", **keep_secrets(shown, kept)}).channel == kept


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_what_is_masked_in_a_new_channel_is_refused(kind: str) -> None:
    """It comes from elsewhere and stands for nothing here."""
    shown = mask_channel(spec_of(kind).channel)
    with pytest.raises((WrongPlaceError, ValidationError)):
        check_unmasked(read_channel_spec({"name": "ops", **shown}).channel)


@pytest.mark.parametrize(
    ("kind", "place", "pointer"),
    [
        ("webhook", "url", "/secret"),
        ("alertmanager", "url", "/password"),
        ("pagerduty", "url", "/routing_key"),
        ("slack", "api_url", "/token"),
    ],
)
def test_a_kept_secret_goes_to_no_other_host(kind: str, place: str, pointer: str) -> None:
    """Another path of the same host will do."""
    kept = spec_of(kind).channel
    with pytest.raises(WrongPlaceError) as refused:
        check_place(spec_of(kind, **{place: "https://evil.example/x"}).channel, kept)
    assert refused.value.pointer == pointer
    check_place(spec_of(kind, **{place: DOCUMENTS[kind][place] + "/more"}).channel, kept)


def test_a_secret_written_anew_may_go_elsewhere() -> None:
    """Who writes it knows it."""
    kept = spec_of("pagerduty").channel
    check_place(spec_of("pagerduty", url="https://evil.example", routing_key="lion").channel, kept)


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        (["discord://***", "json://***"], ["discord://a", "json://b"]),
        (["discord://***", "json://***", "slack://c"], ["discord://a", "json://b", "slack://c"]),
        (["json://***"], ["json://b"]),
        (["json://***", "discord://***"], ["json://b", "discord://a"]),
        (["gotify://new", "json://***"], ["gotify://new", "json://b"]),
    ],
)
def test_addresses_of_a_list_are_found_by_place_or_text(sent: list[str], meant: list[str]) -> None:
    """Added to, shortened or turned round."""
    kept = spec_of("apprise", urls=["discord://a", "json://b"]).channel
    assert keep_secrets({"kind": "apprise", "urls": sent}, kept)["urls"] == meant


@pytest.mark.parametrize("sent", [["json://***"], ["json://new", "json://***"], ["slack://***", "json://***"]])
def test_an_address_that_may_be_one_of_several_is_refused(sent: list[str]) -> None:
    """Nobody could say which of two that are shown alike was meant."""
    kept = spec_of("apprise", urls=["json://a", "json://b"]).channel
    with pytest.raises(WrongPlaceError):
        keep_secrets({"kind": "apprise", "urls": sent}, kept)


def test_options_keep_what_was_given_and_nothing_else() -> None:
    """A default that changes later reaches the channels that said nothing of it."""
    options = spec_of("email", group_wait="90s", repeat_interval=None).options
    assert options_document(options) == {"group_wait": "1m30s", "repeat_interval": None}
    assert ChannelOptions.model_validate(options_document(options)) == options
