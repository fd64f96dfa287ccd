"""Silences and inhibitions over HTTP."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from api_client import MakeKey, MakeServices, OpenClient

from api.schemas.inhibitions import InhibitionList, InhibitionView
from api.schemas.silences import SilenceDetailView, SilencePage, SilencePreview
from shared.domain.access import Scope
from shared.storage.database import Database

SILENCES = "/api/v1/silences"
INHIBITIONS = "/api/v1/inhibitions"
WEB = {"matchers": "team=web", "duration": "2h", "comment": "known"}
HOUR = timedelta(hours=1)


async def fire(database: Database, **labels: str) -> UUID:
    """Let an alert fire that has these labels."""
    alert_id = uuid4()
    pairs = [part for pair in labels.items() for part in pair]
    async with database.transaction() as work:
        await work.run(
            """
            insert into alerts (alert_id, source, fingerprint, name, severity, labels, state, started_at, fired_at,
                                reason)
            values ($1, 'inbound', uuid_send($1), 'a', 'warning', jsonb_object($2::text[]), 'firing', now(), now(),
                    'met')
            """,
            alert_id,
            pairs,
        )
    return alert_id


async def test_a_silence_is_made_changed_and_ended(client: httpx2.AsyncClient) -> None:
    """It begins now, is counted from now when it is made longer, and stays to be seen when it has expired."""
    made = await client.post(SILENCES, json=WEB)
    seen = SilenceDetailView.model_validate(made.json(), strict=False)
    path = made.headers["location"]
    assert (made.status_code, seen.state, seen.ends_at - seen.starts_at) == (201, "active", 2 * HOUR)
    assert seen.created_by == "admin-key"
    changed = await client.patch(path, json={"duration": "4h", "comment": "still"})
    longer = SilenceDetailView.model_validate(changed.json(), strict=False)
    assert longer.starts_at == seen.starts_at
    assert 4 * HOUR <= longer.ends_at - longer.starts_at <= 5 * HOUR
    assert longer.comment == "still"
    assert [(await client.delete(path)).status_code for _ in range(2)] == [204, 204]
    ended = (await client.get(path)).json()
    assert (ended["state"], ended["matchers"]) == ("expired", "team=web")
    refused = await client.patch(path, json={"comment": "no"})
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/has-ended")


async def test_a_silence_tells_how_many_alerts_it_matches(client: httpx2.AsyncClient, database: Database) -> None:
    """When it is tried, which makes nothing, and when it is made."""
    for team in ("web", "web", "api"):
        await fire(database, team=team, alertname="down")
    tried = await client.post(f"{SILENCES}?validate_only=true", json=WEB)
    assert (tried.status_code, SilencePreview.model_validate(tried.json(), strict=False).firing) == (200, 2)
    assert (await client.get(SILENCES)).json()["items"] == []
    for matchers, count in (('alertname=~"d.*"', 3), ("alertname=down, team!=web", 1), ("team=db", 0)):
        made = await client.post(SILENCES, json={"matchers": matchers, "duration": "1h"})
        assert made.json()["firing"] == count


async def test_a_pending_silence_that_is_ended_never_was(client: httpx2.AsyncClient) -> None:
    """It expires without having been active."""
    starts_at = datetime.now(UTC) + HOUR
    made = await client.post(SILENCES, json=WEB | {"starts_at": starts_at.isoformat()})
    assert made.json()["state"] == "pending"
    moved = await client.patch(made.headers["location"], json={"starts_at": (starts_at + HOUR / 2).isoformat()})
    assert moved.json()["ends_at"] == made.json()["ends_at"]
    await client.delete(made.headers["location"])
    ended = (await client.get(made.headers["location"])).json()
    assert (ended["state"], ended["starts_at"]) == ("expired", ended["ends_at"])


async def test_silences_are_listed_by_state_page_by_page(client: httpx2.AsyncClient) -> None:
    """The newest first, each once."""
    paths = [(await client.post(SILENCES, json=WEB)).headers["location"] for _ in range(4)]
    await client.delete(paths[0])
    query = {"state": ["active"], "limit": 2}
    first = SilencePage.model_validate((await client.get(SILENCES, params=query)).json(), strict=False)
    rest = (await client.get(SILENCES, params=query | {"cursor": first.next_cursor or ""})).json()
    ids = [str(silence.id) for silence in first.items] + [item["id"] for item in rest["items"]]
    assert ids == [path.rpartition("/")[2] for path in reversed(paths[1:])]
    expired = (await client.get(SILENCES, params={"state": "expired"})).json()["items"]
    assert [item["id"] for item in expired] == [paths[0].rpartition("/")[2]]


PAST = "2020-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"duration": "1h"}, "/matchers"),
        (WEB | {"matchers": ""}, "/matchers"),
        (WEB | {"matchers": "team!=web"}, "/matchers"),
        (WEB | {"matchers": 'team=~".*"'}, "/matchers"),
        (WEB | {"matchers": "team"}, "/matchers"),
        (WEB | {"matchers": 'team="\0"'}, "/matchers"),
        ({"matchers": "team=web"}, "/ends_at"),
        (WEB | {"ends_at": "2999-01-01T00:00:00Z"}, "/duration"),
        ({"matchers": "team=web", "ends_at": PAST}, "/ends_at"),
        ({"matchers": "team=web", "ends_at": "2999-01-01T00:00:00Z"}, "/ends_at"),
        (WEB | {"duration": "367d"}, "/duration"),
        (WEB | {"duration": "0"}, "/duration"),
        (WEB | {"colour": "red"}, "/colour"),
    ],
)
async def test_a_wrong_silence_is_refused(client: httpx2.AsyncClient, body: dict[str, Any], pointer: str) -> None:
    """422 with the place, and none is made."""
    answer = await client.post(SILENCES, json=body)
    assert (answer.status_code, [each["pointer"] for each in answer.json()["errors"]]) == (422, [pointer])
    assert (await client.get(SILENCES)).json()["items"] == []


async def test_silences_have_a_bound(client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of those that have not expired; who ends one can make another."""
    monkeypatch.setattr("shared.services.suppression.silences.MAX_SILENCES", 1)
    path = (await client.post(SILENCES, json=WEB)).headers["location"]
    refused = await client.post(SILENCES, json=WEB)
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/too-many-held")
    await client.delete(path)
    assert (await client.post(SILENCES, json=WEB)).status_code == 201


ROUTER = {"name": "behind the router", "depends_on": "role=router", "target": "role=app", "equal": ["site"]}


async def test_an_inhibition_is_made_replaced_and_deleted(client: httpx2.AsyncClient) -> None:
    """Its id, its maker and its age stay."""
    made = await client.post(INHIBITIONS, json=ROUTER)
    path = made.headers["location"]
    seen = InhibitionView.model_validate(made.json(), strict=False)
    assert (made.status_code, seen.depends_on, seen.source, seen.equal) == (201, "role=router", None, ["site"])
    other = {"name": "dc", "source": "alertname=dc-down", "target": ""}
    replaced = await client.put(path, json=other)
    assert replaced.json() == made.json() | other | {"depends_on": None, "equal": []}
    listed = InhibitionList.model_validate((await client.get(INHIBITIONS)).json(), strict=False)
    assert [each.name for each in listed.items] == ["dc"]
    assert (await client.get(path)).json() == replaced.json()
    assert [(await client.delete(path)).status_code for _ in range(2)] == [204, 404]


async def test_two_inhibitions_do_not_share_a_name(client: httpx2.AsyncClient) -> None:
    """Neither when one is made nor when one is replaced."""
    await client.post(INHIBITIONS, json=ROUTER)
    refused = await client.post(INHIBITIONS, json=ROUTER)
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/inhibition-exists")
    other = (await client.post(INHIBITIONS, json=ROUTER | {"name": "b"})).headers["location"]
    assert (await client.put(other, json=ROUTER)).status_code == 409
    assert (await client.put(f"{INHIBITIONS}/{uuid4()}", json=ROUTER | {"name": "c"})).status_code == 404


@pytest.mark.parametrize(
    "change",
    [{"source": "a=b"}, {"depends_on": None}, {"depends_on": ""}, {"target": "a"}, {"equal": ["1"]}, {"name": ""}],
)
async def test_a_wrong_inhibition_is_refused(client: httpx2.AsyncClient, change: dict[str, Any]) -> None:
    """422, and none is made."""
    assert (await client.post(INHIBITIONS, json=ROUTER | change)).status_code == 422
    assert (await client.get(INHIBITIONS)).json()["items"] == []


async def test_inhibitions_have_a_bound(client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is refused."""
    monkeypatch.setattr("shared.storage.suppression.inhibition_store.MAX_INHIBITIONS", 1)
    await client.post(INHIBITIONS, json=ROUTER)
    refused = await client.post(INHIBITIONS, json=ROUTER | {"name": "b"})
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/too-many-held")


@pytest.mark.parametrize("path", [SILENCES, INHIBITIONS, "/api/v1/maintenance"])
async def test_who_may_read_may_not_silence(
    make_services: MakeServices, open_client: OpenClient, make_key: MakeKey, path: str
) -> None:
    """A key that reads may look, one that submits may do all of it."""
    for scope, status in ((Scope.READ, 403), (Scope.SUBMIT, 422)):
        key = await make_key(scope)
        async with open_client(make_services(), headers={"Authorization": f"Bearer {key}"}) as client:
            assert (await client.get(path)).status_code == 200
            assert (await client.post(path, json={})).status_code == status
