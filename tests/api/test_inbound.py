"""Alerts that other monitoring systems send in, over HTTP."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from api.services import ApiServices
from shared.domain.alert.inbound import RESOLVE_TIMEOUT, WEBHOOK_LASTS
from shared.services.alert import inbound as inbound_service

ALERTS = "/api/v1/inbound/api/v2/alerts"
WEBHOOK = "/api/v1/inbound/alertmanager"
DISK = {"alertname": "DiskFull", "instance": "db-1:9100", "severity": "critical"}
PAST = "2026-01-01T00:00:00Z"


def sent(**fields: Any) -> dict[str, Any]:
    return {"labels": DISK, "annotations": {"summary": "97 %"}, **fields}


async def take(client: httpx2.AsyncClient, *alerts: dict[str, Any], path: str = ALERTS) -> dict[str, int]:
    """Send alerts in, and count what they did, without what nothing did."""
    body = list(alerts) if path != WEBHOOK else {"version": "4", "groupKey": "{}", "alerts": list(alerts)}
    answer = await client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return {act: count for act, count in answer.json().items() if count}


async def shown(services: ApiServices) -> list[Any]:
    """All alerts as they are kept, the oldest first."""
    async with services.context.database.transaction() as work:
        return list(await work.fetch("select *, now() as now from alerts order by alert_id"))


@pytest.mark.parametrize("path", [ALERTS, "/api/v1/inbound/alerts"])
async def test_an_alert_fires_once_and_is_known_by_its_labels(
    client: httpx2.AsyncClient, services: ApiServices, path: str
) -> None:
    """Sent again it only says until when it is to be believed, and its latest words."""
    far = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    first = sent(startsAt=PAST, generatorURL="http://prometheus.example/graph", labels=DISK | {"empty": ""})
    assert await take(client, first, path=path) == {"fired": 1}
    assert await take(client, sent(endsAt=far, annotations={"summary": "98 %"}), path=path) == {"repeated": 1}
    [alert] = await shown(services)
    assert (alert.state, alert.source, alert.name, alert.severity) == ("firing", "inbound", "DiskFull", "critical")
    assert (alert.labels, alert.annotations) == (DISK, {"summary": "98 %"})
    assert alert.started_at == datetime.fromisoformat(PAST)
    assert alert.expires_at == datetime.fromisoformat(far)


async def test_what_cannot_be_kept_of_an_alert_is_left_out(client: httpx2.AsyncClient, services: ApiServices) -> None:
    """It is no reason to lose the others that came with it; without it two alerts may be one."""
    odd = sent(labels=DISK | {"path": "/a\0"}, annotations={"summary": "a\0b"}, generatorURL="http://x/\0")
    assert await take(client, odd, sent(), sent(labels=DISK | {"path": "/a"})) == {"fired": 2, "repeated": 1}
    first, _ = await shown(services)
    assert (first.labels["path"], first.annotations, first.generator_url) == ("/a", {"summary": "97 %"}, None)
    (refused,) = (await client.post(ALERTS, json=[sent(labels={"alertname": "\0"})])).json()["errors"]
    assert refused["pointer"] == "/0"


async def test_it_is_resolved_by_its_end(client: httpx2.AsyncClient, services: ApiServices) -> None:
    """Resolved again, or without having fired here, it does nothing; fired again it is another one."""
    over = sent(startsAt=PAST, endsAt="2026-01-01T01:00:00.123456789Z")
    assert await take(client, over) == {"ignored": 1}
    assert await take(client, sent()) == {"fired": 1}
    assert await take(client, over) == {"resolved": 1}
    assert await take(client, over) == {"ignored": 1}
    assert await take(client, sent(), over, sent()) == {"fired": 2, "resolved": 1}
    assert [(alert.state, alert.reason) for alert in await shown(services)] == [
        ("resolved", "sent_resolved"),
        ("resolved", "sent_resolved"),
        ("firing", "met"),
    ]


async def test_a_webhook_says_itself_how_an_alert_stands(client: httpx2.AsyncClient, services: ApiServices) -> None:
    """Go's empty time is no end; Alertmanager repeats itself after hours, so that its alerts last longer."""
    never = "0001-01-01T00:00:00Z"
    assert await take(client, sent(status="firing", startsAt=PAST, endsAt=never), path=WEBHOOK) == {"fired": 1}
    [alert] = await shown(services)
    assert abs(alert.expires_at - alert.now - WEBHOOK_LASTS) < timedelta(minutes=1)
    assert await take(client, sent(status="resolved", startsAt=PAST, endsAt=PAST), path=WEBHOOK) == {"resolved": 1}


async def test_without_an_end_it_lasts_as_long_as_asked_for(client: httpx2.AsyncClient, services: ApiServices) -> None:
    """Five minutes unless told."""
    await take(client, sent())
    [alert] = await shown(services)
    assert abs(alert.expires_at - alert.now - RESOLVE_TIMEOUT) < timedelta(minutes=1)
    await take(client, sent(), path=f"{ALERTS}?expires_in=9h")
    [alert] = await shown(services)
    assert abs(alert.expires_at - alert.now - timedelta(hours=9)) < timedelta(minutes=1)


async def test_what_is_not_repeated_expires(
    client: httpx2.AsyncClient, services: ApiServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the moment it said; what was repeated does not."""
    other = {"alertname": "Other"}
    await take(client, sent(), sent(labels=other))
    await take(client, sent(labels=other), path=f"{ALERTS}?expires_in=1h")
    assert await services.inbound.expire() == 0
    later = datetime.now(UTC) + timedelta(minutes=6)
    monkeypatch.setattr(services.inbound, "_clock", lambda: later)
    assert await services.inbound.expire() == 1
    assert await services.inbound.expire() == 0
    expired, firing = await shown(services)
    assert (expired.state, expired.reason, expired.labels) == ("resolved", "expired", DISK)
    assert expired.resolved_at == expired.expires_at
    assert firing.state == "firing"


async def test_a_wrong_alert_does_not_spoil_the_others(client: httpx2.AsyncClient, services: ApiServices) -> None:
    """The answer leads to each wrong one, and says that the others were taken."""
    wrong = [
        {"labels": {"a": ""}},
        {"annotations": {}},
        sent(startsAt="yesterday"),
        "no alert",
        sent(labels={"a": "x" * 2001}),
        sent(labels={"a": 2**70}),
    ]
    answer = await client.post(ALERTS, json=[sent(), *wrong])
    assert answer.status_code == 422
    problem = answer.json()
    assert [error["pointer"] for error in problem["errors"]] == [
        "/1",
        "/2/labels",
        "/3/startsAt",
        "/4",
        "/5/labels/a",
        "/6/labels/a",
    ]
    assert (problem["fired"], len(await shown(services))) == (1, 1)
    assert "Taken all the same: 1." in problem["detail"]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (ALERTS, {"labels": DISK}, 422),
        (ALERTS, [sent()] * 10_001, 422),
        (WEBHOOK, {"version": "3", "alerts": []}, 422),
        (WEBHOOK, [sent()], 422),
        (f"{ALERTS}?expires_in=1s", [sent()], 422),
    ],
    ids=["no array", "too many", "version", "array", "too short"],
)
async def test_a_request_that_is_wrong_as_a_whole_is_refused_as_a_whole(
    client: httpx2.AsyncClient, services: ApiServices, path: str, body: Any, status: int
) -> None:
    """Nothing of it is taken."""
    answer = await client.post(path, json=body)
    assert answer.status_code == status
    assert await shown(services) == []


async def test_there_is_a_bound_to_what_fires(
    client: httpx2.AsyncClient, services: ApiServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A label that never comes twice would fill the database; what fires already may be repeated and resolved."""
    monkeypatch.setattr(inbound_service, "MAX_OPEN", 2)
    await take(client, sent(), sent(labels={"alertname": "b"}))
    refused = await client.post(ALERTS, json=[sent(labels={"alertname": "c"})])
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/too-many-inbound-alerts")
    assert await take(client, sent()) == {"repeated": 1}
    assert await take(client, sent(endsAt=PAST)) == {"resolved": 1}


async def test_long_words_are_cut_and_odd_ones_kept(client: httpx2.AsyncClient, services: ApiServices) -> None:
    """An alert is not lost for its annotations; a severity of others is a warning."""
    long = sent(labels={"severity": "page", "who": "a\nb"}, annotations={"summary": "x" * 9_000, "none": ""})
    await take(client, long | {"generatorURL": "http://p.example/" + "y" * 9_000, "unknown": 1})
    [alert] = await shown(services)
    assert (alert.name, alert.severity) == ("unnamed", "warning")
    assert len(alert.annotations["summary"]) == 4_000
    assert "none" not in alert.annotations
    assert len(alert.generator_url) == 8_000
