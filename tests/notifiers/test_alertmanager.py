"""An Alertmanager is told as a Prometheus tells it, by its API v2."""

import base64
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from json_servers import JsonReceiver, receive_json
from notice_data import START, content, told
from pydantic import SecretStr

from shared.domain.channel.notifications import Message
from shared.domain.channel.service_channels import AlertmanagerChannel
from shared.domain.notice.notice_words import render_notice
from shared.domain.notice.webhook_body import webhook_body
from shared.notifiers.alertmanager import FIRING_LASTS, MESSAGE_LASTS, AlertmanagerNotifier
from shared.notifiers.base import Delivery
from shared.notifiers.posting import Poster
from shared.transport.curl import CurlClient

ID = UUID("019aa3c5-8c00-7000-8000-000000000001")
OURS = "https://tocsin.example"
PATH = "/prefix/api/v2/alerts"


@pytest.fixture
def notifier(client: CurlClient) -> AlertmanagerNotifier:
    return AlertmanagerNotifier(Poster(client), clock=lambda: START)


async def deliver(
    notifier: AlertmanagerNotifier, receiver: JsonReceiver, message: Message, **credentials: Any
) -> Delivery:
    channel = AlertmanagerChannel(kind="alertmanager", url=receiver.server.url("/prefix/"), **credentials)
    return await notifier.deliver(channel, message, notification_id=ID)


async def test_all_alerts_are_posted_at_once(notifier: AlertmanagerNotifier) -> None:
    """What fires does not end by itself before its resolve is told; the same at every try."""
    message = render_notice(content(told(1), told(2, "resolved")), external_url=OURS)
    async with receive_json(lambda _: ("200 OK", "")) as peer:
        for _ in range(2):
            assert (await deliver(notifier, peer, message)).failure is None
    first, second = peer.bodies(PATH)
    assert first == second
    firing, resolved = first
    assert firing == {
        "labels": {"alertname": "down", "severity": "critical", "monitor": "shop-1", "group": "web"},
        "annotations": {"summary": "nobody <b>answers</b>"},
        "startsAt": "2026-03-01T12:00:00Z",
        "endsAt": "2027-03-02T13:00:00Z",
        "generatorURL": f"{OURS}/api/v1/alerts/{UUID(int=1)}/explain",
    }
    assert datetime.fromisoformat(firing["endsAt"]) == message.content.composed_at + FIRING_LASTS
    assert resolved["endsAt"] == "2026-03-01T12:07:03Z"


async def test_an_alert_that_fires_again_is_posted_after_its_earlier_life(notifier: AlertmanagerNotifier) -> None:
    """A peer knows both by the same labels, and believes what it reads last."""
    again = replace(told(1), alert_id=UUID(int=9), starts_at=START + timedelta(minutes=9))
    message = render_notice(content(again, told(2), told(1, "resolved")))
    async with receive_json(lambda _: ("200 OK", "")) as peer:
        assert (await deliver(notifier, peer, message)).failure is None
    (posted,) = peer.bodies(PATH)
    assert [alert["startsAt"][11:16] for alert in posted] == ["12:00", "12:09", "12:00"]
    body = webhook_body(message.content, external_url=None)
    assert [alert["status"] for alert in body["alerts"]] == ["resolved", "firing", "firing"]


async def test_a_message_is_an_alert_that_ends(notifier: AlertmanagerNotifier) -> None:
    """It is over after the time that Alertmanager takes for what says no end."""
    async with receive_json(lambda _: ("200 OK", "")) as peer:
        assert (await deliver(notifier, peer, Message(title="hello", text="more"))).failure is None
    [[alert]] = peer.bodies(PATH)
    assert alert["labels"] == {"alertname": "TocsinMessage", "severity": "info", "message": str(ID)}
    assert alert["annotations"] == {"summary": "hello", "description": "more"}
    assert datetime.fromisoformat(alert["endsAt"]) == START + MESSAGE_LASTS


@pytest.mark.parametrize(
    ("credentials", "header"),
    [
        ({}, None),
        ({"token": SecretStr("t0p-s3cret")}, "Bearer t0p-s3cret"),
        (
            {"username": "bell", "password": SecretStr("t0p-s3cret")},
            "Basic " + base64.b64encode(b"bell:t0p-s3cret").decode(),
        ),
    ],
    ids=["none", "token", "basic"],
)
async def test_it_shows_who_it_is(
    notifier: AlertmanagerNotifier, credentials: dict[str, Any], header: str | None
) -> None:
    """And keeps nothing of it when the peer repeats it."""
    async with receive_json(lambda sent: ("401 No", sent.headers.get("authorization", "") + "|t0p-s3cret")) as peer:
        delivery = await deliver(notifier, peer, Message(title="hello"), **credentials)
    assert peer.sent[0].headers.get("authorization") == header
    assert delivery.failure is not None
    assert delivery.failure.is_permanent
    assert ("s3cret" in delivery.detail["answer"]) == (not credentials)


async def test_a_busy_peer_is_told_later(notifier: AlertmanagerNotifier) -> None:
    """When it says so."""
    async with receive_json(lambda _: ("503 Later", "", {"Retry-After": "9"})) as peer:
        delivery = await deliver(notifier, peer, Message(title="hello"))
    assert delivery.failure is not None
    assert (delivery.failure.code, delivery.failure.retry_after) == ("unavailable", timedelta(seconds=9))
