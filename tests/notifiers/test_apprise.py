"""Apprise tells by its own means, in a process that is held to what it may do."""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import psutil
import pytest
from http_servers import Seen, always, answer, hang, serve
from json_servers import receive_json
from mail_servers import serve_mail
from notice_data import content, told
from pydantic import SecretStr

from shared.domain.channel.notifications import Message
from shared.domain.channel.service_channels import AppriseChannel
from shared.domain.notice.notice_words import render_notice
from shared.domain.target.egress import EgressPolicy
from shared.notifiers import apprise as apprise_module
from shared.notifiers.apprise import AppriseNotifier, classify_told
from shared.notifiers.base import Delivery

ID = UUID("019aa3c5-8c00-7000-8000-000000000001")
MESSAGE = Message(title="shop is down", text="since <noon>")


@pytest.fixture
def notifier(loopback: EgressPolicy) -> AppriseNotifier:
    return AppriseNotifier(loopback)


async def deliver(notifier: AppriseNotifier, urls: Sequence[str], message: Message = MESSAGE) -> Delivery:
    channel = AppriseChannel(kind="apprise", urls=[SecretStr(url) for url in urls])
    return await notifier.deliver(channel, message, notification_id=ID)


def code_of(delivery: Delivery) -> tuple[str, bool] | None:
    return delivery.failure and (delivery.failure.code, delivery.failure.is_permanent)


async def test_all_services_of_a_channel_are_told(notifier: AppriseNotifier) -> None:
    """Each in its own form: JSON, a form, a mail."""
    async with (
        receive_json(lambda _: ("200 OK", "ok")) as server,
        serve(always(answer())) as form,
        serve_mail() as mail,
    ):
        delivery = await deliver(
            notifier,
            [
                f"json://127.0.0.1:{server.server.port}/hook?+X-Token=s3cret",
                f"form://localhost:{form.port}/",
                f"mailto://127.0.0.1:{mail.port}?smtp=127.0.0.1&from=bell@tocsin.example&to=a@b.example&mode=insecure",
            ],
        )
    assert delivery.failure is None
    assert [each["outcome"] for each in delivery.detail["services"]] == ["delivered"] * 3
    assert server.sent[0].headers["x-token"] == "s3cret"
    assert (server.sent[0].body["title"], server.sent[0].body["message"]) == ("shop is down", "since <noon>")
    assert b"shop+is+down" in form.seen[0].body
    assert len(mail.taken) == 1


@pytest.mark.parametrize(
    ("status", "expected"),
    [("404 No", ("rejected", True)), ("429 Slow", ("unavailable", False)), ("503 Later", ("unavailable", False))],
)
async def test_the_status_says_whether_trying_again_can_help(
    notifier: AppriseNotifier, status: str, expected: tuple[str, bool]
) -> None:
    """And nothing that is told holds a part of the address."""
    async with serve(always(answer(status=status))) as server:
        delivery = await deliver(notifier, [f"json://user:s3cret@127.0.0.1:{server.port}/s3cret?+X-Token=s3cret"])
    assert code_of(delivery) == expected
    assert delivery.detail["services"] == [{"service": "JSON", "outcome": "failed", "status": int(status[:3])}]
    assert "s3cret" not in str(delivery)


@pytest.mark.parametrize(
    "url",
    [
        "json://10.0.0.1/s3cret",
        "rsyslog://10.0.0.1",
        "json://169.254.169.254",
        "mailto://u:s3cret@m.example?smtp=10.0.0.1&to=a@b.example",
    ],
)
async def test_no_service_is_dialled_where_nothing_may_be(notifier: AppriseNotifier, url: str) -> None:
    """Whatever it speaks: HTTP, UDP, SMTP; the setting that would change it is named."""
    delivery = await deliver(notifier, [url])
    assert code_of(delivery) == ("blocked_by_policy", True)
    assert "TOCSIN_EGRESS" in str(delivery.failure) or "always denied" in str(delivery.failure)
    assert "s3cret" not in str(delivery)


async def test_a_name_that_leads_inside_is_not_dialled() -> None:
    """The address decides that the name leads to, at the moment of the dial."""
    async with serve(always(answer())) as server:
        delivery = await deliver(AppriseNotifier(EgressPolicy.parse("public")), [f"json://localhost:{server.port}/"])
    assert code_of(delivery) == ("blocked_by_policy", True)
    assert server.seen == []


async def test_a_redirect_inside_is_not_followed(notifier: AppriseNotifier) -> None:
    """Not even when the address asks for redirects: each dial is judged."""
    async with serve(always(answer(status="302 Found", headers={"Location": "http://10.0.0.1/"}))) as server:
        plain = await deliver(notifier, [f"json://127.0.0.1:{server.port}/"])
        asked = await deliver(notifier, [f"json://127.0.0.1:{server.port}/?redirect=yes"])
    assert plain.failure is not None
    assert code_of(asked) == ("blocked_by_policy", True)


async def test_neither_settings_nor_proxies_are_seen(
    notifier: AppriseNotifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy would dial for us, wherever it likes."""
    async with serve(always(answer())) as server, serve(always(answer())) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url())
        monkeypatch.setenv("http_proxy", proxy.url())
        delivery = await deliver(notifier, [f"json://127.0.0.1:{server.port}/"])
    assert delivery.failure is None
    assert (len(server.seen), len(proxy.seen)) == (1, 0)


@pytest.mark.parametrize("url", ["nosuch://s3cret/x", "discord://s3cret", "mqtt://127.0.0.1/topic"])
async def test_an_address_that_apprise_cannot_use_is_a_failure_for_good(notifier: AppriseNotifier, url: str) -> None:
    """It does not know the service, misses a part, or has no library for it."""
    delivery = await deliver(notifier, [url])
    assert code_of(delivery) == ("invalid_channel", True)
    assert "s3cret" not in str(delivery)


async def test_who_hangs_is_cut_off_and_the_others_are_told(
    notifier: AppriseNotifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that sends a byte now and then; no process is left behind."""
    monkeypatch.setattr(apprise_module, "TIMEOUT_SECONDS", 3.0)

    async def drip(_seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.1)

    async with serve(hang) as silent, serve(drip) as slow, serve(always(answer())) as sound:
        ports = (silent.port, slow.port, sound.port)
        delivery = await deliver(notifier, [f"json://127.0.0.1:{port}/?rto=60" for port in ports])
    assert code_of(delivery) == ("timeout", False)
    assert [each["outcome"] for each in delivery.detail["services"]] == ["timeout", "timeout", "delivered"]
    children = psutil.Process(os.getpid()).children(recursive=True)
    assert not [child for child in children if "apprise_child" in " ".join(child.cmdline())]


async def test_an_endless_answer_ends_at_a_bound(notifier: AppriseNotifier) -> None:
    """The library reads it into memory; a channel with as many services as may be has room enough."""

    async def flood(_seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 65_536)
            await writer.drain()

    async with serve(flood) as endless, serve(always(answer())) as sound:
        over = await deliver(notifier, [f"json://127.0.0.1:{endless.port}/"])
        full = await deliver(notifier, [f"json://127.0.0.1:{sound.port}/{number}" for number in range(20)])
    assert code_of(over) == ("not_delivered", False)
    assert full.failure is None
    assert len(sound.seen) == 20


@pytest.mark.parametrize(
    ("status", "severity", "kind"),
    [("firing", "critical", "failure"), ("firing", "info", "info"), ("resolved", "critical", "success")],
)
async def test_services_choose_their_colour_by_the_severity(
    notifier: AppriseNotifier, status: str, severity: str, kind: str
) -> None:
    """In Apprise's words."""
    message = render_notice(content(replace(told(1, status), severity=severity)))
    async with receive_json(lambda _: ("200 OK", "ok")) as server:
        await deliver(notifier, [f"json://127.0.0.1:{server.server.port}/"], message)
    assert server.sent[0].body["type"] == kind


def test_what_may_pass_goes_before_what_stays() -> None:
    """A channel with a service that can still be told is not given up for one that cannot."""
    gone = {"service": "JSON", "outcome": "failed", "status": 404, "denied": None}
    busy = {"service": "JSON", "outcome": "failed", "status": 503, "denied": None}
    failure = classify_told([gone, busy])
    assert failure is not None
    assert not failure.is_permanent
    assert classify_told([]) is None
