"""A real Prometheus and a real Alertmanager: what we send them, and what they send us."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from api_client import ADMIN_KEY
from api_process import ApiProcess, api_process
from client_fixtures import loopback, resolver
from notice_data import content, told
from processes import wait_for
from prometheus_pair import Program, alertmanager, prometheus

from shared.domain.channel.service_channels import AlertmanagerChannel
from shared.domain.notice.notice_words import render_notice
from shared.domain.notice.notices import NoticeContent
from shared.domain.target.egress import EgressPolicy
from shared.notifiers.alertmanager import AlertmanagerNotifier
from shared.notifiers.posting import Poster
from shared.transport.curl import CurlClient
from shared.transport.dialling import Dialler
from shared.transport.resolver import Resolver

__all__ = ["loopback", "resolver"]

CREDENTIALS = {"type": "Bearer", "credentials": ADMIN_KEY}
FIRED_AT = datetime.now(UTC) - timedelta(minutes=10)
FIRING = replace(told(1), starts_at=FIRED_AT, generator_url="http://tocsin.example/why")
RESOLVED = replace(FIRING, status="resolved", ends_at=FIRED_AT + timedelta(minutes=5))


@pytest.fixture
def api(fresh_database_url: str, redis_url: str) -> Iterator[ApiProcess]:
    with api_process(database_url=fresh_database_url, redis_url=redis_url, admin_key=ADMIN_KEY) as process:
        yield process.wait_until_listening()


@pytest.fixture
async def notifier(resolver: Resolver, loopback: EgressPolicy) -> AsyncIterator[AlertmanagerNotifier]:
    client = CurlClient(Dialler(resolver, loopback))
    yield AlertmanagerNotifier(Poster(client))
    await client.close()


async def tell(notifier: AlertmanagerNotifier, peer: Program, notice: NoticeContent) -> None:
    """Tell an Alertmanager a notice."""
    channel = AlertmanagerChannel(kind="alertmanager", url=peer.url)
    delivery = await notifier.deliver(channel, render_notice(notice), notification_id=uuid4())
    assert delivery.failure is None, delivery


def alerts_of(api: ApiProcess) -> list[dict[str, Any]]:
    """All alerts that the API lists."""
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    answer = httpx2.get(f"{api.url}/api/v1/alerts", headers=headers, timeout=10).raise_for_status()
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def has(api: ApiProcess, state: str) -> bool:
    """Whether the API has one alert, in this state."""
    return [alert["state"] for alert in alerts_of(api)] == [state]


@pytest.mark.needs("prometheus-alertmanager")
async def test_an_alertmanager_takes_our_alerts_and_its_webhook_reaches_us(
    api: ApiProcess, notifier: AlertmanagerNotifier, tmp_path: Path
) -> None:
    """From firing to resolved, through both doors; a repeat changes nothing."""
    webhook = {
        "url": f"{api.url}/api/v1/inbound/alertmanager",
        "send_resolved": True,
        "http_config": {"authorization": CREDENTIALS},
    }
    notice = replace(content(FIRING), composed_at=datetime.now(UTC))
    with alertmanager(tmp_path, webhook=webhook) as peer:
        for _ in range(2):
            await tell(notifier, peer, notice)
        [shown] = peer.get("/api/v2/alerts")
        assert shown["labels"] == dict(FIRING.labels)
        assert shown["annotations"] == dict(FIRING.annotations)
        assert shown["generatorURL"] == "http://tocsin.example/why"
        assert datetime.fromisoformat(shown["endsAt"]) > datetime.now(UTC) + timedelta(days=300)
        wait_for(lambda: has(api, "firing"), what="the webhook of what fires")
        [alert] = alerts_of(api)
        assert (alert["name"], alert["severity"], alert["labels"]) == ("down", "critical", dict(FIRING.labels))
        await tell(notifier, peer, content(RESOLVED))
        assert peer.get("/api/v2/alerts") == []
        wait_for(lambda: has(api, "resolved"), what="the webhook of what is over")


@pytest.mark.needs("prometheus")
def test_a_prometheus_takes_us_for_an_alertmanager(api: ApiProcess, tmp_path: Path) -> None:
    """By the path prefix; its alert fires here as long as its rule is met, and is resolved with it."""
    receiver = {
        "path_prefix": "/api/v1/inbound",
        "authorization": CREDENTIALS,
        "static_configs": [{"targets": [api.url.removeprefix("http://")]}],
    }
    rule = {
        "alert": "AlwaysFires",
        "expr": "vector(97) > 90",
        "labels": {"severity": "critical"},
        "annotations": {"summary": "it is at {{ $value }} %"},
    }
    with prometheus(tmp_path, rules=[rule], receiver=receiver) as sender:
        wait_for(lambda: has(api, "firing"), what="the alert of Prometheus")
        [alert] = alerts_of(api)
        assert alert["labels"] == {"alertname": "AlwaysFires", "severity": "critical"}
        assert alert["annotations"] == {"summary": "it is at 97 %"}
        assert alert["generator_url"].startswith("http")
        rules = tmp_path / "rules.yml"
        rules.write_text(rules.read_text().replace("vector(97)", "vector(7)"))
        httpx2.post(f"{sender.url}/-/reload", timeout=10).raise_for_status()
        wait_for(lambda: has(api, "resolved"), what="the end of the alert of Prometheus")
