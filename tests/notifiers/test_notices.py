"""Notices of alerts as each of the plain channels tells them."""

from uuid import UUID

import orjson
import pytest
from http_servers import always, answer, serve
from mail_servers import serve_mail
from notice_data import content, told
from pydantic import SecretStr
from standardwebhooks import Webhook

from shared.domain.channel.channels import Templates
from shared.domain.channel.notifications import EmailChannel, WebhookChannel
from shared.domain.notice.notice_words import render_notice
from shared.domain.target.egress import EgressPolicy
from shared.notifiers.email import EmailNotifier
from shared.notifiers.webhook import WebhookNotifier
from shared.transport.curl import CurlClient
from shared.transport.dialling import Dialler
from shared.transport.resolver import Resolver

ID = UUID("019aa3c5-8c00-7000-8000-000000000001")
OURS = "https://tocsin.example"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NOTICE = content(told(1), told(2, "resolved"), truncated=3)


async def test_a_webhook_gets_what_alertmanager_would_send(client: CurlClient) -> None:
    """Version 4 of its payload, signed over the very bytes, the same at every try."""
    notifier, message = WebhookNotifier(client), render_notice(NOTICE, external_url=OURS)
    async with serve(always(answer(b"thanks"))) as server:
        channel = WebhookChannel(kind="webhook", url=server.url("/hook"), secret=SecretStr(SECRET))
        for _ in range(2):
            assert (await notifier.deliver(channel, message, notification_id=ID)).failure is None
    first, second = server.seen
    assert first.body == second.body
    payload = Webhook(SECRET).verify(first.body, first.headers)
    firing, resolved = payload.pop("alerts")
    assert payload == {
        "version": "4",
        "groupKey": "g",
        "truncatedAlerts": 3,
        "status": "firing",
        "receiver": "ops",
        "groupLabels": {"alertname": "down"},
        "commonLabels": {"alertname": "down"},
        "commonAnnotations": {},
        "externalURL": OURS,
    }
    assert firing == {
        "status": "firing",
        "labels": {"alertname": "down", "severity": "critical", "monitor": "shop-1", "group": "web"},
        "annotations": {"summary": "nobody <b>answers</b>"},
        "startsAt": "2026-03-01T12:00:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": f"{OURS}/api/v1/alerts/{UUID(int=1)}/explain",
        "fingerprint": "ab12",
    }
    assert (resolved["status"], resolved["endsAt"]) == ("resolved", "2026-03-01T12:07:03Z")


@pytest.mark.parametrize(
    ("template", "sent"),
    [
        ('{"text": {{ alerts[0].name|tojson }}}', {"text": "down"}),
        ('{"text": {{ alerts[0].name }}}', None),
    ],
    ids=["json", "no json"],
)
async def test_a_webhook_has_a_body_of_its_own_if_that_is_json(
    client: CurlClient, template: str, sent: dict[str, str] | None
) -> None:
    """Else the notice goes out as it would without one: a template loses none."""
    message = render_notice(NOTICE, templates=Templates(body=template))
    async with serve(always(answer())) as server:
        channel = WebhookChannel(kind="webhook", url=server.url("/hook"))
        assert (await WebhookNotifier(client).deliver(channel, message, notification_id=ID)).failure is None
    body = orjson.loads(server.seen[0].body)
    assert body == sent if sent is not None else body["version"] == "4"


async def test_mail_has_both_forms_and_one_conversation_a_group(
    resolver: Resolver, loopback: EgressPolicy, ca_file: str
) -> None:
    """A resolve stands below its firing, because both answer the same message."""
    notifier = EmailNotifier(Dialler(resolver, loopback), mail_from="bell@tocsin.example", ca_file=ca_file)
    async with serve_mail() as mailbox:
        url = SecretStr(f"smtp://127.0.0.1:{mailbox.port}")
        channel = EmailChannel(kind="email", to=["ops@example.com"], smtp_url=url)
        for notice in (NOTICE, content(told(1, "resolved"))):
            delivery = await notifier.deliver(channel, render_notice(notice), notification_id=ID)
            assert delivery.failure is None, delivery
    firing, resolved = mailbox.taken
    assert firing["subject"] == "[FIRING 4, RESOLVED 1] down: shop-1, shop-2"
    assert firing["references"] == resolved["references"] == resolved["in-reply-to"]
    text, html = firing.iter_parts()
    assert "FIRING critical down: shop-1 (web)" in text.get_content()
    assert "nobody &lt;b&gt;answers&lt;/b&gt;" in html.get_content()
