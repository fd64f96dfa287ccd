"""Heartbeats as monitors: made, paused, changed and deleted over HTTP while they are pinged."""

import httpx2
import pytest
from api_client import MakeKey
from heartbeat_site import HOUR, MINUTE, HeartbeatSite

from shared.domain.access import Scope
from shared.storage.database import Database

MONITORS = "/api/v1/monitors"
BACKUP = {"name": "backup", "interval": "1h", "target": {"kind": "heartbeat", "grace": "1m", "slug": "backup"}}


@pytest.fixture
def site(database: Database) -> HeartbeatSite:
    return HeartbeatSite(database)


async def test_a_new_heartbeat_tells_its_urls_and_they_work(client: httpx2.AsyncClient) -> None:
    """Who may change things sees them; they are what a cron job needs."""
    made = (await client.post(MONITORS, json=BACKUP)).json()
    assert made["state"] == "pending"
    for path in (made["heartbeat"]["ping_path"], made["heartbeat"]["push_path"]):
        assert (await client.get(path)).status_code == 200
    shown = (await client.get(f"{MONITORS}/{made['id']}")).json()
    assert (shown["state"], shown["heartbeat"]["pings"]) == ("up", 2)


async def test_who_only_reads_does_not_see_the_urls(client: httpx2.AsyncClient, make_key: MakeKey) -> None:
    """They are credentials, and lists show them to nobody."""
    made = (await client.post(MONITORS, json=BACKUP)).json()
    secret = made["heartbeat"]["ping_path"].rpartition("/")[2]
    reader = {"Authorization": f"Bearer {await make_key(Scope.READ)}"}
    assert secret not in (await client.get(f"{MONITORS}/{made['id']}", headers=reader)).text
    assert secret not in (await client.get(MONITORS)).text


async def test_a_pause_expects_nothing_and_its_end_a_whole_period(
    site: HeartbeatSite, client: httpx2.AsyncClient
) -> None:
    """Who was away with us is not late for it."""
    made = (await client.post(MONITORS, json=BACKUP)).json()
    await client.get(made["heartbeat"]["ping_path"])
    paused = await client.post(f"{MONITORS}/{made['id']}:pause")
    assert paused.status_code == 200
    assert (await site.row("heartbeats", made["id"])).expected_at is None
    assert (await client.get(made["heartbeat"]["push_path"])).status_code == 404
    resumed = await client.post(f"{MONITORS}/{made['id']}:resume")
    assert resumed.status_code == 200
    row = await site.row("heartbeats", made["id"])
    assert row.expected_at - row.armed_at == HOUR + MINUTE


async def test_a_longer_grace_holds_for_what_is_waited_for_already(
    site: HeartbeatSite, client: httpx2.AsyncClient
) -> None:
    """Whoever lengthens it does so because the next ping will be late."""
    made = (await client.post(MONITORS, json=BACKUP)).json()
    await client.get(made["heartbeat"]["ping_path"])
    before = await site.row("heartbeats", made["id"])
    changed = await client.patch(
        f"{MONITORS}/{made['id']}", json={"target": {"grace": "2h"}}, headers={"If-Match": "*"}
    )
    assert changed.status_code == 200
    after = await site.row("heartbeats", made["id"])
    assert after.expected_at - before.expected_at == 2 * HOUR - MINUTE
    assert (after.ping_id, after.push_token) == (before.ping_id, before.push_token)


async def test_the_urls_of_a_deleted_heartbeat_lead_nowhere(client: httpx2.AsyncClient) -> None:
    """At once."""
    made = (await client.post(MONITORS, json=BACKUP)).json()
    assert (await client.delete(f"{MONITORS}/{made['id']}")).status_code == 204
    assert (await client.get(made["heartbeat"]["ping_path"])).text == "not found"
