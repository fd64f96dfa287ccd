"""A webhook is signed as Standard Webhooks asks, and an answer says whether trying again can help."""

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from uuid import UUID

import pytest
from http_servers import Seen, always, answer, hang, serve
from pydantic import SecretStr
from standardwebhooks import Webhook

from shared.domain.channel.notifications import Message, WebhookChannel
from shared.domain.target.egress import EgressPolicy
from shared.notifiers import webhook as webhook_module
from shared.notifiers.retry_after import LONGEST, parse_retry_after
from shared.notifiers.webhook import WebhookNotifier
from shared.transport.curl import CurlClient
from shared.transport.dialling import Dialler
from shared.transport.resolver import Resolver

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
ID = UUID("019aa3c5-8c00-7000-8000-000000000001")
SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
MESSAGE = Message(title="shop is down", text="grün\n2 lines")


def channel(url: str, secret: str | None = SECRET) -> WebhookChannel:
    return WebhookChannel(kind="webhook", url=url, secret=None if secret is None else SecretStr(secret))


@pytest.fixture
def notifier(client: CurlClient) -> WebhookNotifier:
    return WebhookNotifier(client)


async def test_the_library_of_the_standard_verifies_what_arrives(notifier: WebhookNotifier) -> None:
    """Id, time and signature are headers; the body says what happened."""
    async with serve(always(answer(b"thanks"))) as server:
        delivery = await notifier.deliver(channel(server.url("/hook")), MESSAGE, notification_id=ID)
    assert delivery.failure is None
    seen = server.seen[0]
    payload = Webhook(SECRET).verify(seen.body, seen.headers)
    assert seen.headers["webhook-id"] == str(ID)
    assert seen.headers["content-type"] == "application/json"
    assert payload["type"] == "notification.message"
    assert payload["data"] == {"id": str(ID), "title": "shop is down", "text": "grün\n2 lines"}
    assert datetime.fromisoformat(payload["timestamp"]) == datetime.fromtimestamp((ID.int >> 80) / 1000, UTC)
    assert delivery.detail["status"] == 200
    assert delivery.detail["answer"] == "thanks"
    assert delivery.detail["duration_ms"] > 0


async def test_a_repeat_is_the_same_message_with_a_new_time(client: CurlClient) -> None:
    """The receiver knows it by its id, and its body does not change; the time of the attempt is signed anew."""
    moments = iter([NOW, NOW, NOW + timedelta(minutes=5), NOW + timedelta(minutes=5)])
    notifier = WebhookNotifier(client, clock=lambda: next(moments))
    async with serve(always(answer())) as server:
        for _ in range(2):
            await notifier.deliver(channel(server.url()), MESSAGE, notification_id=ID)
    first, second = server.seen
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) == 300
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]


async def test_without_a_secret_it_goes_out_unsigned(notifier: WebhookNotifier) -> None:
    """Id and time are there all the same."""
    async with serve(always(answer())) as server:
        delivery = await notifier.deliver(channel(server.url(), None), MESSAGE, notification_id=ID)
    assert delivery.failure is None
    assert "webhook-id" in server.seen[0].headers
    assert "webhook-signature" not in server.seen[0].headers


@pytest.mark.parametrize("secret", ["whsec_", "whsec_c2hvcnQ=", "not base64 at all", "whsec_" + "QUFB" * 30])
async def test_a_bad_secret_is_a_permanent_failure_that_does_not_tell_it(
    notifier: WebhookNotifier, secret: str
) -> None:
    """Nothing is sent."""
    async with serve(always(answer())) as server:
        delivery = await notifier.deliver(channel(server.url(), secret), MESSAGE, notification_id=ID)
    assert delivery.failure is not None
    assert (delivery.failure.code, delivery.failure.is_permanent) == ("invalid_secret", True)
    assert secret.removeprefix("whsec_")[:5] not in delivery.failure.message or secret == "whsec_"
    assert server.seen == []


@pytest.mark.parametrize(
    ("status", "code", "is_permanent"),
    [
        (301, "redirected", False),
        (302, "redirected", False),
        (400, "rejected", True),
        (404, "rejected", True),
        (408, "unavailable", False),
        (410, "gone", True),
        (425, "unavailable", False),
        (429, "throttled", False),
        (500, "unavailable", False),
        (503, "unavailable", False),
        (600, "unavailable", False),
    ],
)
async def test_only_2xx_is_delivered(notifier: WebhookNotifier, status: int, code: str, *, is_permanent: bool) -> None:
    """A redirect is not followed; what the receiver will not change its mind about is not tried again."""
    raw = answer(b"no", status=f"{status} No", headers={"Location": "/elsewhere"})
    async with serve(always(raw)) as server:
        delivery = await notifier.deliver(channel(server.url()), MESSAGE, notification_id=ID)
    assert delivery.failure is not None
    assert (delivery.failure.code, delivery.failure.is_permanent) == (code, is_permanent)
    assert (delivery.detail["status"], len(server.seen)) == (status, 1)


@pytest.mark.parametrize("status", ["200 OK", "201 Created", "202 Accepted", "204 No Content"])
async def test_every_2xx_is_delivered(notifier: WebhookNotifier, status: str) -> None:
    """Whatever its number."""
    async with serve(always(answer(b"", status=status))) as server:
        delivery = await notifier.deliver(channel(server.url()), MESSAGE, notification_id=ID)
    assert delivery.failure is None


@pytest.mark.parametrize("status", ["429 Slow down", "503 Later"])
async def test_retry_after_is_honoured(notifier: WebhookNotifier, status: str) -> None:
    """The receiver's own wish replaces our backoff."""
    async with serve(always(answer(status=status, headers={"Retry-After": "120"}))) as server:
        delivery = await notifier.deliver(channel(server.url()), MESSAGE, notification_id=ID)
    assert delivery.failure is not None
    assert delivery.failure.retry_after == timedelta(minutes=2)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("\u0662", None),
        ("0", timedelta(0)),
        (" 30 ", timedelta(seconds=30)),
        ("9" * 400, LONGEST),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), timedelta(seconds=90)),
        (format_datetime(NOW - timedelta(days=1), usegmt=True), timedelta(0)),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST),
        ("Sat, 21 Nov 2026 12:00:10", timedelta(seconds=10)),
        ("Sat, 99 Nov 2026 12:00:10 GMT", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_date(value: str | None, expected: timedelta | None) -> None:
    """As RFC 9110 has it; nonsense says nothing, and nobody makes us wait longer than a day."""
    assert parse_retry_after(value, now=NOW) == expected


async def test_of_the_answer_the_first_kilobyte_is_kept(notifier: WebhookNotifier) -> None:
    """An endless answer of a receiver that took it is still delivered; NUL cannot be stored and is replaced."""

    async def flood(_seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n\0")
        while True:
            writer.write(b"x" * 65_536)
            await writer.drain()

    async with serve(flood) as server:
        delivery = await notifier.deliver(channel(server.url()), MESSAGE, notification_id=ID)
    assert delivery.failure is None
    assert delivery.detail["answer"] == "\ufffd" + "x" * 1023


async def test_a_receiver_that_hangs_is_tried_again(notifier: WebhookNotifier, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the timeout, which is ours."""
    monkeypatch.setattr(webhook_module, "TIMEOUT_SECONDS", 0.2)
    async with serve(hang) as server:
        delivery = await notifier.deliver(channel(server.url()), MESSAGE, notification_id=ID)
    assert delivery.failure is not None
    assert (delivery.failure.code, delivery.failure.is_permanent) == ("timeout", False)


async def test_an_inner_address_is_refused_for_good(resolver: Resolver) -> None:
    """Users' webhooks go to public addresses only, and the setting that would change it is named."""
    policy = EgressPolicy.parse("public", setting="TOCSIN_WEBHOOK_EGRESS")
    notifier = WebhookNotifier(CurlClient(Dialler(resolver, policy)))
    delivery = await notifier.deliver(channel("http://10.0.0.1/hook"), MESSAGE, notification_id=ID)
    await notifier.close()
    assert delivery.failure is not None
    assert (delivery.failure.code, delivery.failure.is_permanent) == ("blocked_by_policy", True)
    assert "TOCSIN_WEBHOOK_EGRESS" in delivery.failure.message


async def test_nothing_told_holds_the_address_or_the_secret(notifier: WebhookNotifier) -> None:
    """A webhook's path and query often are its key."""
    for url in ("http://127.0.0.1:1/services/TOKEN?key=TOKEN", "http://u:TOKEN@10.0.0.1/TOKEN", "http://TO KEN/"):
        delivery = await notifier.deliver(channel(url), MESSAGE, notification_id=ID)
        told = json.dumps([dict(delivery.detail), str(delivery.failure)])
        assert "TOKEN" not in told
        assert SECRET not in told
