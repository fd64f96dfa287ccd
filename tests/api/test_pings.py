"""Pings and their keys over HTTP."""

from uuid import uuid4

import httpx2
import pytest
from api_client import MakeKey
from heartbeat_site import HeartbeatSite

from api.schemas.pings import CreatedPingKeyView, PingKeyPage, PingPage
from shared.domain.access import Scope
from shared.domain.heartbeat.pings import PingKind
from shared.storage.database import Database

KEYS = "/api/v1/ping-keys"


@pytest.fixture
def site(database: Database) -> HeartbeatSite:
    return HeartbeatSite(database)


async def test_pings_are_listed_page_by_page_the_newest_first(site: HeartbeatSite, client: httpx2.AsyncClient) -> None:
    """With all that was said, and by whom."""
    monitor_id = await site.plant()
    run = uuid4()
    await site.ping(monitor_id, PingKind.START, run_id=run)
    await site.ping(monitor_id, PingKind.FAIL, run_id=run, exit_status=2, method="POST", body=b"disk full")
    await site.ping(monitor_id, PingKind.LOG, user_agent="curl/8", remote_address="192.0.2.7")
    path = f"/api/v1/monitors/{monitor_id}/pings"
    first = (await client.get(path, params={"limit": 2})).json()
    second = (await client.get(path, params={"limit": 2, "cursor": first["next_cursor"]})).json()
    items = [*PingPage.model_validate(first).items, *PingPage.model_validate(second).items]
    assert [(ping.number, ping.kind) for ping in items] == [(3, "log"), (2, "fail"), (1, "start")]
    assert (items[0].user_agent, items[0].remote_address) == ("curl/8", "192.0.2.7")
    assert (items[1].run_id, items[1].exit_status, items[1].body_bytes) == (run, 2, 9)
    assert items[1].duration_ms is not None
    assert second["next_cursor"] is None


async def test_the_body_of_a_ping_is_told_as_it_came(site: HeartbeatSite, client: httpx2.AsyncClient) -> None:
    """As bytes that a browser saves: whoever pings could send a page."""
    monitor_id = await site.plant()
    await site.ping(monitor_id, body=b"<script>\xff")
    await site.ping(monitor_id)
    answer = await client.get(f"/api/v1/monitors/{monitor_id}/pings/1/body")
    assert (answer.content, answer.headers["Content-Type"]) == (b"<script>\xff", "application/octet-stream")
    assert answer.headers["Content-Disposition"] == "attachment"
    for number in (2, 3):
        assert (await client.get(f"/api/v1/monitors/{monitor_id}/pings/{number}/body")).status_code == 404


async def test_a_monitor_that_nobody_pings_has_no_pings(database: Database, client: httpx2.AsyncClient) -> None:
    """It is not found, rather than shown as empty."""
    assert (await client.get(f"/api/v1/monitors/{uuid4()}/pings")).status_code == 404


async def test_a_ping_key_is_shown_once_and_can_be_revoked(client: httpx2.AsyncClient) -> None:
    """What is kept of it is its hash."""
    created = CreatedPingKeyView.model_validate((await client.post(KEYS, json={"name": "cron jobs"})).json())
    assert len(created.key) == 22
    assert created.key.startswith(created.hint)
    listed = await client.get(KEYS)
    assert created.key not in listed.text
    assert [key.id for key in PingKeyPage.model_validate(listed.json()).items] == [created.id]
    first = await client.delete(f"{KEYS}/{created.id}")
    assert first.json()["revoked_at"] is not None
    assert (await client.delete(f"{KEYS}/{created.id}")).json() == first.json()
    assert (await client.delete(f"{KEYS}/{uuid4()}")).status_code == 404


async def test_ping_keys_are_for_admins(client: httpx2.AsyncClient, make_key: MakeKey) -> None:
    """Others may neither make nor see them."""
    key = await make_key(Scope.SUBMIT)
    for method in ("GET", "POST"):
        answer = await client.request(method, KEYS, headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code == 403
