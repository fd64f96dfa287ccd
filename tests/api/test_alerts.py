"""Alerts over HTTP."""

from typing import Any
from uuid import UUID

import httpx2
import pytest
from alert_data import MINUTE, RULE, START, ends, fires, monitor_id, pends, subject_of
from api_client import MakeKey, MakeServices, OpenClient
from uuid_utils.compat import uuid7

from api.schemas.alerts import AlertDetailView, AlertPage, AlertView
from shared.domain.access import Scope
from shared.domain.alert.alert_changes import AlertChange, AlertSource, fingerprint_of_labels
from shared.domain.alert.alerts import Transition
from shared.storage.alert import alert_reading
from shared.storage.alert.alert_store import AlertStore
from shared.storage.database import Database

ALERTS = "/api/v1/alerts"


async def apply(database: Database, *changes: AlertChange) -> None:
    async with database.transaction() as work:
        await AlertStore(work).apply(changes)


async def fire(database: Database, *numbers: int, **changed: object) -> list[str]:
    """Let alerts of monitors fire; their ids."""
    changes = [fires(subject_of(number, **changed)) for number in numbers]
    await apply(database, *changes)
    return [str(change.alert_id) for change in changes]


async def listed(client: httpx2.AsyncClient, **query: Any) -> list[str]:
    """The ids on all pages."""
    ids: list[str] = []
    while True:
        page = AlertPage.model_validate(
            (await client.get(ALERTS, params=query)).raise_for_status().json(), strict=False
        )
        ids += [str(alert.id) for alert in page.items]
        if page.next_cursor is None:
            return ids
        query["cursor"] = page.next_cursor


async def test_an_alert_tells_its_life(client: httpx2.AsyncClient, database: Database) -> None:
    """What it is about, the numbers, and all that happened, by whom."""
    pending = pends(subject_of(annotations={"summary": "slow"}))
    await apply(database, pending, fires(subject_of(), minute=2, alert_id=pending.alert_id))
    path = f"{ALERTS}/{pending.alert_id}"
    await client.post(f"{path}:acknowledge", json={"note": "on it"})
    answer = await client.get(path)
    alert = AlertDetailView.model_validate(answer.json(), strict=False)
    assert (alert.state, alert.reason, alert.evidence) == ("firing", "met", {"value": 312.5})
    assert (alert.started_at, alert.fired_at, alert.rule_id) == (START, START + 2 * MINUTE, RULE)
    assert (alert.links.monitor, alert.links.explain) == (f"/api/v1/monitors/{monitor_id(0)}", f"{path}/explain")
    assert alert.acknowledged is not None
    assert (alert.acknowledged.by, alert.acknowledged.note) == ("TOCSIN_ADMIN_KEY", "on it")
    assert [(event.kind, event.by) for event in alert.events] == [
        ("pend", None),
        ("fire", None),
        ("acknowledged", "TOCSIN_ADMIN_KEY"),
    ]
    assert alert.events[2].detail == {"note": "on it"}


async def test_an_entity_tag_stands_until_something_happens(client: httpx2.AsyncClient, database: Database) -> None:
    """304 while nothing did."""
    (alert_id,) = await fire(database, 0)
    etag = (await client.get(f"{ALERTS}/{alert_id}")).headers["etag"]
    headers = {"If-None-Match": etag}
    assert (await client.get(f"{ALERTS}/{alert_id}", headers=headers)).status_code == 304
    await apply(database, ends(UUID(alert_id), minute=1))
    assert (await client.get(f"{ALERTS}/{alert_id}", headers=headers)).status_code == 200


async def test_an_alert_that_is_not_there_is_not_found(client: httpx2.AsyncClient) -> None:
    """Whatever is asked of it."""
    path = f"{ALERTS}/{uuid7()}"
    assert (await client.get(path)).status_code == 404
    assert (await client.post(f"{path}:acknowledge")).status_code == 404
    assert (await client.post(f"{path}:unacknowledge")).status_code == 404


async def test_alerts_are_listed_the_newest_first(client: httpx2.AsyncClient, database: Database) -> None:
    """Page by page, each once; what never fired only when it is asked for."""
    ids = await fire(database, *range(5))
    brief = pends(subject_of(7))
    await apply(database, brief, ends(brief.alert_id, minute=1, transition=Transition.CLEAR))
    pending = pends(subject_of(8))
    await apply(database, pending, ends(UUID(ids[0]), minute=3))
    newest = str(pending.alert_id)
    assert await listed(client, limit=2) == [newest, *reversed(ids)]
    assert await listed(client, fired="true") == list(reversed(ids))
    assert await listed(client, fired="false") == [newest, str(brief.alert_id)]
    assert await listed(client, state="resolved") == [ids[0]]
    assert await listed(client, state=["resolved", "pending"]) == [newest, ids[0]]


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ({"severity": "critical"}, [1]),
        ({"severity": ["critical", "info"]}, [1, 2]),
        ({"monitor": str(monitor_id(2))}, [2]),
        ({"rule": str(RULE)}, [0, 1, 2]),
        ({"rule": str(monitor_id(0))}, []),
        ({"match": "team=web"}, [0, 1, 2]),
        ({"match": ["team=web", "monitor=m1"]}, [1]),
        ({"match": "monitor=m1, monitor=m2"}, []),
        ({"match": 'monitor=~"m[12]"'}, [1, 2]),
        ({"match": "monitor!=m1"}, [0, 2, 3]),
        ({"match": "team="}, [3]),
        ({"match": "team!="}, [0, 1, 2]),
        ({"match": "team!=web"}, [3]),
        ({"group": "shop"}, [3]),
        ({"until": "2026-03-01T12:00:00Z"}, []),
        ({"since": "2026-03-01T12:06:00Z"}, [1, 2, 3]),
        ({"since": "2026-03-01T12:04:00Z", "until": "2026-03-01T12:00:01Z"}, [0, 1, 2, 3]),
        ({"acknowledged": "true"}, [2]),
        ({"acknowledged": "false"}, [0, 1, 3]),
    ],
)
async def test_alerts_are_found_by_what_they_are(
    client: httpx2.AsyncClient, database: Database, query: dict[str, Any], numbers: list[int]
) -> None:
    """All that is named has to hold; a pattern has to match the whole value."""
    (first,) = await fire(database, 0)
    (second,) = await fire(database, 1, severity="critical")
    (third,) = await fire(database, 2, severity="info")
    labels = {"alertname": "DiskFull", "group": "shop"}
    sent_in = fires(
        subject_of(source=AlertSource.INBOUND, fingerprint=fingerprint_of_labels(labels), labels=labels,
                   severity="page", rule_id=None, monitor_id=None),
    )  # fmt: skip
    await apply(database, sent_in, ends(UUID(first), minute=5))
    await client.post(f"{ALERTS}/{third}:acknowledge")
    ids = [first, second, third, str(sent_in.alert_id)]
    assert await listed(client, **query) == [ids[number] for number in reversed(numbers)]


async def test_a_page_ends_where_too_many_were_looked_at(
    client: httpx2.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its cursor leads on, so that the whole is found all the same."""
    monkeypatch.setattr(alert_reading, "MAX_SCANNED", 4)
    monkeypatch.setattr(alert_reading, "SCANNED_AT_ONCE", 3)
    ids = await fire(database, *range(30))
    first = (await client.get(ALERTS, params={"match": "monitor=~m0", "limit": 1})).json()
    assert (first["items"], first["next_cursor"] is None) == ([], False)
    assert await listed(client, match="monitor=~m0", limit=1) == [ids[0]]
    assert await listed(client, match="monitor!~m29", limit=1) == ids[-2::-1]


async def test_an_acknowledgement_stands_until_it_is_taken_back(client: httpx2.AsyncClient, database: Database) -> None:
    """A repeat of either changes nothing, and who was first stands."""
    (alert_id,) = await fire(database, 0)
    path = f"{ALERTS}/{alert_id}"
    first = AlertView.model_validate((await client.post(f"{path}:acknowledge")).json(), strict=False)
    again = (await client.post(f"{path}:acknowledge", json={"note": "me too"})).json()
    assert AlertView.model_validate(again, strict=False) == first
    assert first.acknowledged is not None
    for _ in range(2):
        back = await client.post(f"{path}:unacknowledge")
        assert (back.status_code, back.json()["acknowledged"]) == (200, None)
    events = (await client.get(path)).json()["events"]
    assert [event["kind"] for event in events] == ["fire", "acknowledged", "unacknowledged"]


async def test_a_resolved_alert_is_not_acknowledged(client: httpx2.AsyncClient, database: Database) -> None:
    """409, and the problem says so."""
    (alert_id,) = await fire(database, 0)
    await apply(database, ends(UUID(alert_id), minute=1))
    for action in ("acknowledge", "unacknowledge"):
        refused = await client.post(f"{ALERTS}/{alert_id}:{action}")
        assert (refused.status_code, refused.json()["type"]) == (409, "/problems/alert-resolved")


async def test_many_are_acknowledged_at_once(client: httpx2.AsyncClient, database: Database) -> None:
    """By their ids, or by what they are; those that are already are not counted again."""
    ids = await fire(database, *range(5))
    done = await client.post(f"{ALERTS}:acknowledge", json={"ids": [ids[0], str(uuid7())], "note": "known"})
    assert done.json() == {"acknowledged": 1, "more": False}
    matching = {"where": {"match": ['monitor=~"m[012]"']}}
    assert (await client.post(f"{ALERTS}:acknowledge", json=matching)).json() == {"acknowledged": 2, "more": False}
    assert (await client.post(f"{ALERTS}:acknowledge", json=matching)).json() == {"acknowledged": 0, "more": False}
    resolved = {"where": {"state": ["resolved"]}}
    assert (await client.post(f"{ALERTS}:acknowledge", json=resolved)).json() == {"acknowledged": 0, "more": False}
    assert (await client.post(f"{ALERTS}:acknowledge", json={"where": {}})).json()["acknowledged"] == 2
    assert await listed(client, acknowledged="false") == []


async def test_more_than_a_thousand_are_acknowledged_in_steps(client: httpx2.AsyncClient, database: Database) -> None:
    """`more` says that others are left."""
    await fire(database, *range(1_005))
    done = [(await client.post(f"{ALERTS}:acknowledge", json={"where": {}})).json() for _ in range(2)]
    assert done == [{"acknowledged": 1_000, "more": True}, {"acknowledged": 5, "more": False}]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"ids": [], "where": {}},
        {"ids": ["x"]},
        {"where": {"colour": "red"}},
        {"where": {"match": ["team"]}},
        {"ids": [], "note": "x" * 2_001},
    ],
)
async def test_what_is_meant_has_to_be_said(client: httpx2.AsyncClient, body: dict[str, Any]) -> None:
    """422 with the place."""
    refused = await client.post(f"{ALERTS}:acknowledge", json=body)
    assert (refused.status_code, len(refused.json()["errors"])) == (422, 1)


async def test_what_is_open_is_counted(client: httpx2.AsyncClient, database: Database) -> None:
    """In all and by severity."""
    ids = await fire(database, 0, 1)
    await fire(database, 2, severity="critical")
    await apply(database, pends(subject_of(3)), ends(UUID(ids[0]), minute=1))
    await client.post(f"{ALERTS}/{ids[1]}:acknowledge")
    assert (await client.get(f"{ALERTS}/summary")).json() == {
        "firing": 2,
        "pending": 1,
        "acknowledged": 1,
        "severities": {
            "critical": {"firing": 1, "pending": 0, "acknowledged": 0},
            "warning": {"firing": 1, "pending": 1, "acknowledged": 1},
        },
    }


async def test_a_monitor_says_how_many_of_its_alerts_are_open(client: httpx2.AsyncClient, database: Database) -> None:
    """And has another entity tag when that changes."""
    monitor = {"name": "shop", "interval": "1h", "target": {"kind": "http", "url": "https://shop.example/"}}
    made = await client.post("/api/v1/monitors", json=monitor)
    assert made.json()["alerts"] == {"firing": 0, "pending": 0}
    its_id = UUID(made.json()["id"])
    await fire(database, 0, monitor_id=its_id)
    (over,) = await fire(database, 1, monitor_id=its_id)
    await apply(database, pends(subject_of(2, monitor_id=its_id)), ends(UUID(over), minute=1))
    shown = await client.get(made.headers["location"])
    assert shown.json()["alerts"] == {"firing": 1, "pending": 1}
    assert shown.headers["etag"] != made.headers["etag"]


async def test_who_reads_does_not_acknowledge(
    make_services: MakeServices, open_client: OpenClient, make_key: MakeKey, database: Database
) -> None:
    """A key that reads may look, one that submits may act, and its name stands in the alert."""
    (alert_id,) = await fire(database, 0)
    reading, submitting = await make_key(Scope.READ), await make_key(Scope.SUBMIT)
    async with open_client(make_services(), headers={"Authorization": f"Bearer {reading}"}) as client:
        assert (await client.get(f"{ALERTS}/{alert_id}")).status_code == 200
        assert (await client.post(f"{ALERTS}/{alert_id}:acknowledge")).status_code == 403
    async with open_client(make_services(), headers={"Authorization": f"Bearer {submitting}"}) as client:
        seen = (await client.post(f"{ALERTS}/{alert_id}:acknowledge")).json()
    assert seen["acknowledged"]["by"] == "a submit key"
