"""Maintenance over HTTP."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from api.schemas.maintenance import MaintenanceDetailView, MaintenancePage, MaintenancePreview

MAINTENANCE = "/api/v1/maintenance"
DEPLOY = {"name": "deploy", "selector": "team=web", "ttl": "15m"}
NIGHTLY = {"selector": "group=db", "cron": "0 3 * * *", "timezone": "Europe/Berlin", "duration": "2h"}
HOUR = timedelta(hours=1)


async def add_monitor(client: httpx2.AsyncClient, name: str, **labels: str) -> None:
    """Make a monitor with labels."""
    target = {"kind": "http", "url": "https://shop.example/"}
    made = await client.post("/api/v1/monitors", json={"name": name, "target": target, "labels": labels})
    assert made.status_code == 201


async def test_a_deployment_begins_now_and_is_ended(client: httpx2.AsyncClient) -> None:
    """It ends by itself after its time, or when somebody says so; then it stays to be seen."""
    made = await client.post(MAINTENANCE, json=DEPLOY)
    seen = MaintenanceDetailView.model_validate(made.json(), strict=False)
    path = made.headers["location"]
    assert (made.status_code, seen.state, seen.uptime) == (201, "running", "exclude")
    assert (seen.ends_at - seen.starts_at, seen.cron, seen.duration) == (timedelta(minutes=15), None, None)
    assert [(await client.delete(path)).status_code for _ in range(2)] == [204, 204]
    ended = MaintenanceDetailView.model_validate((await client.get(path)).json(), strict=False)
    assert ended.state == "ended"
    assert ended.ended_at is not None
    assert seen.starts_at < ended.ended_at < seen.ends_at


async def test_it_tells_how_many_monitors_are_meant(client: httpx2.AsyncClient) -> None:
    """When it is tried, which makes nothing, and when it is made."""
    for name, team in (("a", "web"), ("b", "web"), ("c", "db")):
        await add_monitor(client, name, team=team)
    tried = await client.post(f"{MAINTENANCE}?validate_only=true", json=DEPLOY)
    assert (tried.status_code, MaintenancePreview.model_validate(tried.json(), strict=False).monitors) == (200, 2)
    assert (await client.get(MAINTENANCE)).json()["items"] == []
    made = await client.post(MAINTENANCE, json=DEPLOY | {"selector": 'monitor=~"a|c", kind=http'})
    assert made.json()["monitors"] == 2


async def test_one_that_recurs_tells_its_next_window(client: httpx2.AsyncClient) -> None:
    """By the clock on the wall of its time zone; ended for good it has no next one."""
    made = await client.post(MAINTENANCE, json=NIGHTLY | {"uptime": "count"})
    seen = MaintenanceDetailView.model_validate(made.json(), strict=False)
    assert (seen.name, seen.uptime, seen.duration, seen.timezone) == ("maintenance", "count", "2h", "Europe/Berlin")
    assert seen.ends_at - datetime.now(UTC) < 27 * HOUR
    await client.delete(made.headers["location"])
    assert (await client.get(made.headers["location"])).json()["state"] == "ended"


async def test_windows_are_listed_by_state_page_by_page(client: httpx2.AsyncClient) -> None:
    """The newest first, each once."""
    later = (datetime.now(UTC) + HOUR).isoformat()
    planned = {"selector": "team=web", "starts_at": later, "duration": "1h"}
    paths = [(await client.post(MAINTENANCE, json=planned)).headers["location"] for _ in range(3)]
    await client.post(MAINTENANCE, json=DEPLOY)
    query = {"state": "scheduled", "limit": 2}
    first = MaintenancePage.model_validate((await client.get(MAINTENANCE, params=query)).json(), strict=False)
    rest = (await client.get(MAINTENANCE, params=query | {"cursor": first.next_cursor or ""})).json()
    ids = [str(each.id) for each in first.items] + [item["id"] for item in rest["items"]]
    assert ids == [path.rpartition("/")[2] for path in reversed(paths)]
    running = (await client.get(MAINTENANCE, params={"state": "running"})).json()["items"]
    assert [item["name"] for item in running] == ["deploy"]


FAR = "2999-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"ttl": "1h"}, "/selector"),
        (DEPLOY | {"selector": ""}, "/selector"),
        (DEPLOY | {"selector": "team"}, "/selector"),
        ({"selector": "team=web"}, ""),
        (DEPLOY | {"duration": "1h"}, ""),
        (DEPLOY | {"starts_at": FAR}, ""),
        (NIGHTLY | {"starts_at": FAR}, ""),
        (NIGHTLY | {"duration": "32d"}, ""),
        ({"selector": "team=web", "cron": "0 3 * * *", "ttl": "1h"}, ""),
        ({"selector": "team=web", "cron": "0 3 * * *", "ends_at": FAR}, ""),
        (NIGHTLY | {"cron": "0 3 * *"}, "/cron"),
        (NIGHTLY | {"cron": "0 0 30 2 *"}, "/cron"),
        (NIGHTLY | {"timezone": "Mars/Olympus"}, "/timezone"),
        (DEPLOY | {"ttl": "0s"}, "/ttl"),
        (DEPLOY | {"ttl": "367d"}, "/ttl"),
        (DEPLOY | {"uptime": "maybe"}, "/uptime"),
        ({"selector": "team=web", "ends_at": FAR}, "/ends_at"),
        ({"selector": "team=web", "ends_at": "2020-01-01T00:00:00Z"}, "/ends_at"),
    ],
)
async def test_wrong_maintenance_is_refused(client: httpx2.AsyncClient, body: dict[str, Any], pointer: str) -> None:
    """422 with the place, and none is planned."""
    answer = await client.post(MAINTENANCE, json=body)
    assert (answer.status_code, [each["pointer"] for each in answer.json()["errors"]]) == (422, [pointer])
    assert (await client.get(MAINTENANCE)).json()["items"] == []


async def test_maintenance_has_a_bound(client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of windows that have not ended; who ends one can plan another."""
    monkeypatch.setattr("shared.services.suppression.maintenance.MAX_MAINTENANCES", 1)
    path = (await client.post(MAINTENANCE, json=NIGHTLY)).headers["location"]
    refused = await client.post(MAINTENANCE, json=DEPLOY)
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/too-many-held")
    await client.delete(path)
    assert (await client.post(MAINTENANCE, json=DEPLOY)).status_code == 201


async def test_what_is_not_there_is_told(client: httpx2.AsyncClient) -> None:
    """404, for one that never was."""
    path = f"{MAINTENANCE}/00000000-0000-0000-0000-000000000000"
    assert [(await client.get(path)).status_code, (await client.delete(path)).status_code] == [404, 404]
