"""Monitors over HTTP: made, found, changed, paused, deleted."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from api_client import ADMIN_KEY, MakeKey, MakeServices, OpenClient

from api.schemas.monitors import MonitorDetailView, MonitorPage
from shared.domain.access import Scope
from shared.storage.database import Database
from shared.vault import Vault, new_key

MONITORS = "/api/v1/monitors"
SHOP = {
    "name": "shop",
    "group": "web",
    "target": {"kind": "http", "url": "https://shop.example/health"},
    "interval": "10s",
    "conditions": ["[STATUS] == 200"],
    "labels": {"team": "web"},
    "confirmations": 2,
}
SEALED = {
    "name": "sealed",
    "target": {
        "kind": "http",
        "url": "https://shop.example/?token=abc",
        "headers": {"Authorization": "Bearer tiger", "X-Ref": "{{secret:TOKEN}}"},
    },
}
FILE = {"name": "log", "target": {"kind": "file", "path": "/var/log/syslog"}}


@pytest.fixture
async def keyed(make_services: MakeServices, open_client: OpenClient) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of an API process that can keep secrets."""
    services = make_services(vault=Vault([new_key()]))
    async with open_client(services, headers={"Authorization": f"Bearer {ADMIN_KEY}"}) as client:
        yield client


async def made(client: httpx2.AsyncClient, body: dict[str, Any]) -> dict[str, Any]:
    """The monitor as it was made."""
    response = await client.post(MONITORS, json=body)
    assert response.status_code == 201, response.text
    return dict(response.json())


async def patched(client: httpx2.AsyncClient, monitor: dict[str, Any], patch: dict[str, Any]) -> httpx2.Response:
    """The answer to a merge patch of any version."""
    return await client.patch(monitor["links"]["self"], json=patch, headers={"If-Match": "*"})


async def stored(database: Database, column: str) -> list[Any]:
    """What the table of monitors keeps, in the order of names."""
    async with database.transaction() as work:
        return [row[0] for row in await work.fetch(f"select {column} from monitors order by name")]


async def test_a_monitor_is_made_and_shown(client: httpx2.AsyncClient) -> None:
    """201 with its address and entity tag; it waits for its first slot, and nothing is known yet."""
    response = await client.post(MONITORS, json=SHOP)
    monitor = response.json()
    seen = MonitorDetailView.model_validate(monitor, strict=False)
    assert response.status_code == 201
    assert response.headers["location"] == monitor["links"]["self"]
    assert (seen.name, seen.group, seen.kind, seen.interval, seen.cron) == ("shop", "web", "http", "10s", None)
    assert (seen.state, seen.last, seen.paused, seen.version) == ("pending", None, False, 1)
    assert (seen.uptime.day, monitor["target"]["conditions"]) == (None, ["[STATUS] == 200"])
    assert seen.next_at is not None
    assert seen.next_at > seen.since
    shown = await client.get(response.headers["location"])
    assert shown.json() == monitor
    assert shown.headers["etag"] == response.headers["etag"]


async def test_a_monitor_that_has_not_changed_is_not_sent_again(client: httpx2.AsyncClient) -> None:
    """304 for the entity tag one has, until something of it changes."""
    monitor = await made(client, SHOP)
    path = monitor["links"]["self"]
    tag = (await client.get(path)).headers["etag"]
    assert (await client.get(path, headers={"If-None-Match": tag})).status_code == 304
    await patched(client, monitor, {"description": "the shop"})
    assert (await client.get(path, headers={"If-None-Match": tag})).status_code == 200


async def test_a_group_has_one_monitor_of_a_name(client: httpx2.AsyncClient) -> None:
    """A second one is refused and leads to the first; another group has its own."""
    first = await made(client, SHOP)
    second = await client.post(MONITORS, json=SHOP | {"interval": "1m"})
    assert (second.status_code, second.json()["type"]) == (409, "/problems/monitor-exists")
    assert second.json()["monitor"] == first["links"]["self"]
    await made(client, SHOP | {"group": "other"})
    assert (await client.get(first["links"]["self"])).json()["interval"] == "10s"


async def test_a_monitor_is_put_by_its_name(client: httpx2.AsyncClient) -> None:
    """201, then 200; one that is as it should be is told as unchanged and keeps its version."""
    first = await client.put(MONITORS, json=SHOP)
    same = await client.put(MONITORS, json=SHOP)
    other = await client.put(MONITORS, json=SHOP | {"interval": "20s"})
    assert [first.status_code, same.status_code, other.status_code] == [201, 200, 200]
    assert "tocsin-unchanged" not in first.headers
    assert same.headers["tocsin-unchanged"] == "true"
    assert [answer.json()["version"] for answer in (first, same, other)] == [1, 1, 2]
    assert {answer.json()["id"] for answer in (first, same, other)} == {first.json()["id"]}


async def test_putting_does_not_end_a_pause(client: httpx2.AsyncClient) -> None:
    """What says nothing of `paused` leaves it as it is."""
    monitor = await made(client, SHOP)
    await client.post(f"{monitor['links']['self']}:pause")
    assert (await client.put(MONITORS, json=SHOP | {"interval": "20s"})).json()["paused"] is True
    assert (await client.put(MONITORS, json=SHOP | {"paused": False})).json()["state"] == "pending"


async def test_fields_are_patched(client: httpx2.AsyncClient) -> None:
    """Objects are merged, lists replaced, null takes out; conditions go where they are kept."""
    monitor = await made(client, SHOP)
    patch = {"labels": {"team": None, "zone": "b"}, "conditions": ["[STATUS] < 300"], "target": {"timeout": "3s"}}
    seen = (await patched(client, monitor, patch)).json()
    assert seen["labels"] == {"zone": "b"}
    assert seen["target"] == {
        "kind": "http",
        "url": "https://shop.example/health",
        "timeout": "3s",
        "conditions": ["[STATUS] < 300"],
    }
    assert (seen["name"], seen["interval"], seen["version"]) == ("shop", "10s", 2)


@pytest.mark.parametrize(
    ("media_type", "status"),
    [("application/json", 200), ("application/merge-patch+json", 200), ("application/json-patch+json", 415)],
)
async def test_a_patch_is_declared_as_json_or_as_what_it_is(
    client: httpx2.AsyncClient, media_type: str, status: int
) -> None:
    """RFC 7396 has a media type of its own; what is made anew is plain JSON."""
    monitor = await made(client, SHOP)
    headers = {"If-Match": "*", "Content-Type": media_type}
    patch = await client.patch(monitor["links"]["self"], content='{"interval": "1m"}', headers=headers)
    assert patch.status_code == status
    merge = {"Content-Type": "application/merge-patch+json"}
    assert (await client.put(MONITORS, content="{}", headers=merge)).status_code == 415


async def test_a_cron_expression_takes_the_place_of_the_interval(client: httpx2.AsyncClient) -> None:
    """And the other way round; the next slot is the new schedule's at once."""
    monitor = await made(client, SHOP)
    cron = (await patched(client, monitor, {"cron": "0 0 1 1 *", "timezone": "Europe/Berlin"})).json()
    assert (cron["interval"], cron["cron"], cron["timezone"]) == (None, "0 0 1 1 *", "Europe/Berlin")
    assert cron["next_at"].endswith("-12-31T23:00:00Z")
    again = (await patched(client, monitor, {"interval": "1s"})).json()
    assert (again["interval"], again["cron"]) == ("1s", None)
    assert again["next_at"] < cron["next_at"]


async def test_a_patch_names_the_version_it_changes(client: httpx2.AsyncClient) -> None:
    """428 without, 412 with an old one, 400 with what is no tag; how the monitor stands does not matter."""
    monitor = await made(client, SHOP)
    path = monitor["links"]["self"]
    tag = (await client.get(path)).headers["etag"]
    missing = await client.patch(path, json={"interval": "20s"})
    assert (missing.status_code, missing.json()["type"]) == (428, "/problems/precondition-required")
    assert (await client.patch(path, json={"interval": "20s"}, headers={"If-Match": tag})).status_code == 200
    old = await client.patch(path, json={"interval": "30s"}, headers={"If-Match": tag})
    assert (old.status_code, old.json()["version"]) == (412, 2)
    assert (await client.patch(path, json={"interval": "30s"}, headers={"If-Match": '"9", "2"'})).status_code == 200
    assert (await client.patch(path, json={}, headers={"If-Match": "tag"})).status_code == 400
    assert (await client.delete(path, headers={"If-Match": tag})).status_code == 412


@pytest.mark.parametrize(
    ("target", "pointer"),
    [
        ({"kind": "http", "url": "http://x.example/?token=***"}, "/target/url"),
        ({"kind": "http", "url": "http://x.example/", "headers": {"X/Key": "Bearer ***"}}, "/target/headers/X~1Key"),
        ({"kind": "http", "url": "http://x.example/", "method": "POST", "body": "***"}, "/target/body"),
        ({"kind": "database", "dsn": "postgresql://me:***@x.example/shop"}, "/target/dsn"),
    ],
)
async def test_a_new_monitor_has_no_masked_secrets(
    keyed: httpx2.AsyncClient, target: dict[str, Any], pointer: str
) -> None:
    """They come from another installation's export; what they would find is not the target's fault."""
    for request in (keyed.post, keyed.put):
        refused = await request(MONITORS, json={"name": "new", "target": target})
        assert (refused.status_code, [each["pointer"] for each in refused.json()["errors"]]) == (422, [pointer])


@pytest.mark.parametrize(
    ("patch", "pointer"),
    [
        ({"interval": "10ms"}, "/interval"),
        ({"target": {"kind": "file", "path": "/a"}}, "/target/kind"),
        ({"target": None}, "/target"),
        ({"target": {"headers": {"X-Key": "***"}}}, "/target/headers/X-Key"),
        ({"target": {"url": "https://other.example/?token=***"}}, "/target/url"),
        ({"conditions": ["[STATUS] =="]}, "/target/conditions/0"),
        ({"conditions": [], "target": {"conditions": []}}, "/conditions"),
        ({"owner": "me"}, "/owner"),
        ({"interval": "5s", "cron": "* * * * *"}, "/cron"),
        ({"name": "\u0000"}, "/name"),
        ({"labels": {"a b": "c"}}, "/labels/a b"),
    ],
)
async def test_a_wrong_patch_is_refused_with_its_place(
    client: httpx2.AsyncClient, patch: dict[str, Any], pointer: str
) -> None:
    """422 with a pointer into the monitor, and nothing is changed."""
    monitor = await made(client, SHOP)
    answer = await patched(client, monitor, patch)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert (await client.get(monitor["links"]["self"])).json()["version"] == 1


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"target": {"kind": "ftp"}}, "/target/kind"),
        ({"target": {"kind": "http"}}, "/target/url"),
        ({"cron": "61 * * * *", "interval": None}, "/cron"),
        ({"timezone": "Europe/Atlantis"}, "/timezone"),
        ({"confirmations": 11}, "/confirmations"),
        ({"cron": "* * * * *"}, "/cron"),
        ({"target": SHOP["target"] | {"labels": {"a": "b"}}}, "/target/labels"),
        ({"target": SHOP["target"] | {"conditions": ["[STATUS] == 200"]}}, "/conditions"),
        ({"target": SHOP["target"] | {"conditions": {}}}, "/conditions"),
    ],
)
async def test_a_wrong_monitor_is_refused_with_its_place(
    client: httpx2.AsyncClient, body: dict[str, Any], pointer: str
) -> None:
    """422, and none is made."""
    answer = await client.post(MONITORS, json=SHOP | body)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert (await client.get(MONITORS)).json()["items"] == []


async def test_secrets_are_sealed_and_never_shown(keyed: httpx2.AsyncClient, database: Database) -> None:
    """The row has neither of them; references are no secret and stay readable."""
    monitor = await made(keyed, SEALED)
    assert monitor["target"]["url"] == "https://shop.example/?token=***"
    assert monitor["target"]["headers"] == {"Authorization": "***", "X-Ref": "{{secret:TOKEN}}"}
    row = str((await stored(database, "row_to_json(monitors)::text"))[0])
    assert "tiger" not in row
    assert "abc" not in row
    assert await stored(database, "secret_names") == [["TOKEN"]]


async def test_what_is_masked_keeps_what_it_stands_for(keyed: httpx2.AsyncClient, database: Database) -> None:
    """A monitor can be sent back as it was shown; it is unchanged."""
    monitor = await made(keyed, SEALED)
    back = {"name": "sealed", "target": monitor["target"]}
    assert (await keyed.put(MONITORS, json=back)).headers["tocsin-unchanged"] == "true"
    changed = await patched(keyed, monitor, {"target": monitor["target"] | {"timeout": "3s"}})
    assert (changed.status_code, changed.json()["version"]) == (200, 2)
    again = SEALED | {"target": SEALED["target"] | {"timeout": "3s"}}
    assert (await keyed.put(MONITORS, json=again)).headers["tocsin-unchanged"] == "true"
    assert await stored(database, "is_sealed") == [True]


async def test_kept_secrets_are_not_sent_to_another_address(keyed: httpx2.AsyncClient) -> None:
    """Whoever moves a monitor gives its secrets anew: else nothing would be write-only."""
    monitor = await made(keyed, SEALED)
    moved = {"target": {"url": "https://elsewhere.example/"}}
    refused = await patched(keyed, monitor, moved)
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/target/headers/Authorization")
    plain = {"target": {"url": "http://shop.example/"}}
    assert (await patched(keyed, monitor, plain)).status_code == 422
    anew = {"target": {"url": "https://elsewhere.example/", "headers": {"Authorization": "Bearer lion"}}}
    assert (await patched(keyed, monitor, anew)).status_code == 200


async def test_a_secret_needs_a_key(make_services: MakeServices, open_client: OpenClient) -> None:
    """Without one the problem says what to set; what holds no secret needs none."""
    services = make_services(vault=Vault())
    async with open_client(services, headers={"Authorization": f"Bearer {ADMIN_KEY}"}) as client:
        refused = await client.post(MONITORS, json=SEALED)
        assert (refused.status_code, refused.json()["type"]) == (409, "/problems/no-secret-key")
        assert "TOCSIN_SECRET_KEYS" in refused.json()["detail"]
        assert "tiger" not in refused.text
        await made(client, FILE)


async def test_what_another_key_sealed_is_told(
    keyed: httpx2.AsyncClient, make_services: MakeServices, open_client: OpenClient
) -> None:
    """It can be looked at, paused and deleted, and is not changed by who cannot read it."""
    monitor = await made(keyed, SEALED)
    services = make_services(vault=Vault([new_key()]))
    async with open_client(services, headers={"Authorization": f"Bearer {ADMIN_KEY}"}) as client:
        assert (await client.get(monitor["links"]["self"])).status_code == 200
        refused = await patched(client, monitor, {"description": "moved"})
        assert (refused.status_code, refused.json()["type"]) == (409, "/problems/no-secret-key")
        assert (await client.post(monitor["links"]["self"] + ":pause")).status_code == 200
        assert (await client.delete(monitor["links"]["self"])).status_code == 204


async def test_a_monitor_is_paused_and_resumed(client: httpx2.AsyncClient) -> None:
    """Paused it has no next slot; twice changes nothing; resumed it is looked at from the next slot on."""
    monitor = await made(client, SHOP)
    path = monitor["links"]["self"]
    paused = (await client.post(f"{path}:pause")).json()
    assert (paused["state"], paused["paused"], paused["next_at"], paused["version"]) == ("paused", True, None, 2)
    assert (await client.post(f"{path}:pause")).json()["version"] == 2
    resumed = (await client.post(f"{path}:resume")).json()
    assert (resumed["state"], resumed["paused"]) == ("pending", False)
    assert resumed["next_at"] is not None
    assert (await client.post(f"{MONITORS}/{'0' * 8}-0000-7000-8000-000000000000:pause")).status_code == 404


async def test_a_monitor_is_deleted(client: httpx2.AsyncClient, database: Database) -> None:
    """It is gone with all but its series, and its name is free again."""
    monitor = await made(client, SHOP)
    path = monitor["links"]["self"]
    assert (await client.delete(path)).status_code == 204
    assert (await client.get(path)).status_code == 404
    assert (await client.delete(path)).status_code == 404
    async with database.transaction() as work:
        left = [(await work.fetch(f"select count(*) from {table}"))[0][0] for table in ("schedules", "state_spans")]
        assert [*left, (await work.fetch("select count(*) from series"))[0][0]] == [0, 0, 1]
    await made(client, SHOP)


async def test_monitors_are_listed_page_by_page(client: httpx2.AsyncClient) -> None:
    """In the order of groups and names, each once."""
    for group in ("b", "", "a"):
        for number in range(3):
            await made(client, FILE | {"name": f"m{number}", "group": group})
    first = MonitorPage.model_validate((await client.get(f"{MONITORS}?limit=4")).json(), strict=False)
    rest = (await client.get(MONITORS, params={"limit": 100, "cursor": first.next_cursor or ""})).json()
    names = [(item.group, item.name) for item in first.items] + [(i["group"], i["name"]) for i in rest["items"]]
    assert names == [(group, f"m{number}") for group in ("", "a", "b") for number in range(3)]
    assert rest["next_cursor"] is None


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["log", "api", "shop"]),
        ("label=team:web", ["api", "shop"]),
        ("label=team:web&label=tier:1", ["shop"]),
        ("label=tier", ["shop"]),
        ("label=!tier", ["log", "api"]),
        ("label=!team:web", ["log"]),
        ("group=", ["log"]),
        ("group=web", ["api", "shop"]),
        ("kind=file", ["log"]),
        ("kind=file&kind=http", ["log", "api", "shop"]),
        ("q=SH", ["shop"]),
        ("q=%25", []),
        ("paused=true", ["api"]),
        ("paused=false&state=pending", ["log", "shop"]),
        ("state=paused", ["api"]),
        ("owner=none", []),
    ],
)
async def test_monitors_are_found(client: httpx2.AsyncClient, query: str, names: list[str]) -> None:
    """Every filter narrows, and all have to hold."""
    await made(client, FILE)
    await made(client, SHOP | {"labels": {"team": "web", "tier": "1"}})
    await made(client, SHOP | {"name": "api", "paused": True})
    found = (await client.get(f"{MONITORS}?{query}")).json()["items"]
    assert [item["name"] for item in found] == names


async def test_a_heartbeat_is_shown_with_its_addresses_to_who_may_ping(
    make_services: MakeServices, open_client: OpenClient, make_key: MakeKey
) -> None:
    """A key that only reads does not learn how to speak for it."""
    keys = [await make_key(Scope.SUBMIT), await make_key(Scope.READ)]
    async with open_client(make_services()) as client:
        body = {"name": "backup", "target": {"kind": "heartbeat", "slug": "backup"}, "interval": "1h"}
        writer, reader = ({"Authorization": f"Bearer {key}"} for key in keys)
        monitor = (await client.post(MONITORS, json=body, headers=writer)).json()
        assert monitor["heartbeat"]["slug"] == "backup"
        assert monitor["next_at"] is None
        path = monitor["links"]["self"]
        assert "heartbeat" not in (await client.get(path, headers=reader)).json()
        assert (await client.post(f"{path}:pause", headers=reader)).status_code == 403
        assert (await client.post(f"{path}:pause", headers=writer)).json()["state"] == "paused"
        assert (await client.post(f"{path}:resume", headers=writer)).json()["state"] == "pending"
