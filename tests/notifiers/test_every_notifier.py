"""One contract for every notifier: deliver once, say how it went, never raise for what the other side does."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from http_servers import always, answer, serve
from mail_servers import serve_mail
from pydantic import BaseModel, TypeAdapter

from shared.domain.channel.notifications import Channel, Message
from shared.domain.target.egress import EgressPolicy
from shared.notifiers.base import Notifier
from shared.notifiers.registry import build_notifiers
from shared.transport.curl import CurlClient
from shared.transport.dialling import Dialler
from shared.transport.resolver import Resolver

ID = UUID("019aa3c5-8c00-7000-8000-000000000001")
MESSAGE = Message(title="shop is down", text="since noon")
KINDS = ["webhook", "email", "apprise", "alertmanager", "pagerduty", "slack"]
CHANNELS: TypeAdapter[Channel] = TypeAdapter(Channel)


def channel_at(kind: str, place: str) -> Channel:
    """A channel of this kind that leads to a host and port."""
    fields: dict[str, Any] = {
        "webhook": {"url": f"http://{place}/"},
        "email": {"to": ["a@b.example"], "smtp_url": f"smtp://{place}"},
        "apprise": {"urls": [f"json://{place}/"]},
        "alertmanager": {"url": f"http://{place}"},
        "pagerduty": {"routing_key": "R0", "url": f"http://{place}"},
        "slack": {"token": "xoxb-1", "channel": "C1", "api_url": f"http://{place}/api"},
    }[kind]
    return CHANNELS.validate_python({"kind": kind, **fields})


@dataclass
class Receiver:
    """The other side of a channel: where it is, and how to count what it took."""

    channel: BaseModel
    took: list[Any]


@asynccontextmanager
async def receive(kind: str, *, is_refusing: bool = False) -> AsyncIterator[Receiver]:
    """A receiver of this kind that takes everything, or refuses everything for now."""
    async with AsyncExitStack() as stack:
        if kind == "email":
            mailbox = await stack.enter_async_context(serve_mail())
            mailbox.answer = "451 later" if is_refusing else mailbox.answer
            yield Receiver(channel_at(kind, f"127.0.0.1:{mailbox.port}"), mailbox.taken)
            return
        taken = answer(b'{"ok": true, "channel": "C1", "ts": "1.2"}')
        raw = answer(status="503 Later") if is_refusing else taken
        server = await stack.enter_async_context(serve(always(raw)))
        yield Receiver(channel_at(kind, f"127.0.0.1:{server.port}"), server.seen)


@pytest.fixture
async def notifiers(
    resolver: Resolver, loopback: EgressPolicy, client: CurlClient
) -> AsyncIterator[Mapping[str, Notifier[Any]]]:
    notifiers = build_notifiers(Dialler(resolver, loopback), client, mail_from="bell@tocsin.example")
    yield notifiers
    for notifier in notifiers.values():
        await notifier.close()


def test_every_kind_of_channel_has_a_notifier(notifiers: Mapping[str, Notifier[Any]]) -> None:
    """And no notifier is without a kind; all of them are tested here."""
    choices = CHANNELS.json_schema()["discriminator"]["mapping"]
    assert set(notifiers) == set(choices) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
async def test_it_delivers(notifiers: Mapping[str, Notifier[Any]], kind: str) -> None:
    """Once, with how long it took."""
    async with receive(kind) as receiver:
        delivery = await notifiers[kind].deliver(receiver.channel, MESSAGE, notification_id=ID)
        assert len(receiver.took) == 1
    assert delivery.failure is None
    assert delivery.detail["duration_ms"] > 0


@pytest.mark.parametrize("kind", KINDS)
async def test_a_refusal_for_now_is_a_failure_that_may_pass(notifiers: Mapping[str, Notifier[Any]], kind: str) -> None:
    """It names a code and a sentence."""
    async with receive(kind, is_refusing=True) as receiver:
        delivery = await notifiers[kind].deliver(receiver.channel, MESSAGE, notification_id=ID)
    assert delivery.failure is not None
    assert not delivery.failure.is_permanent
    assert delivery.failure.code
    assert delivery.failure.message


@pytest.mark.parametrize("kind", KINDS)
async def test_a_receiver_that_is_gone_is_a_failure_that_may_pass(
    notifiers: Mapping[str, Notifier[Any]], kind: str
) -> None:
    """Nobody listens any more."""
    async with receive(kind) as receiver:
        pass
    delivery = await notifiers[kind].deliver(receiver.channel, MESSAGE, notification_id=ID)
    assert delivery.failure is not None
    # Apprise does not tell what kept it.
    code = "not_delivered" if kind == "apprise" else "connection_refused"
    assert (delivery.failure.code, delivery.failure.is_permanent) == (code, False)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_forbidden_address_is_a_failure_for_good(notifiers: Mapping[str, Notifier[Any]], kind: str) -> None:
    """Every notifier is under the egress policy."""
    channel = channel_at(kind, "10.0.0.1:80")
    delivery = await notifiers[kind].deliver(channel, MESSAGE, notification_id=ID)
    assert delivery.failure is not None
    assert (delivery.failure.code, delivery.failure.is_permanent) == ("blocked_by_policy", True)
