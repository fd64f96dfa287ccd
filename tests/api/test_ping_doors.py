"""Ping URLs, asked as Healthchecks' and Uptime Kuma's clients ask them."""

from uuid import UUID, uuid4

import httpx2
import pytest
from api_client import ADMIN_KEY, MakeServices, OpenClient
from heartbeat_site import HeartbeatSite

from api.services import ApiServices
from shared.domain.monitor.standing import MonitorState
from shared.storage.database import Database
from shared.storage.heartbeat.ping_store import PingStore


@pytest.fixture
def site(database: Database) -> HeartbeatSite:
    return HeartbeatSite(database)


@pytest.fixture
async def ping_key(services: ApiServices) -> str:
    return (await services.ping_keys.create("a key", created_by="tests")).secret


async def kept_kinds(site: HeartbeatSite, monitor_id: UUID) -> list[tuple[str, int | None]]:
    """What each ping was taken for, the oldest first."""
    async with site.database.transaction() as work:
        kept = await PingStore(work).list_kept(monitor_id, before=None, limit=100) or []
    return [(ping.kind.value, ping.exit_status) for ping in reversed(kept)]


@pytest.fixture
async def stranger(client: httpx2.AsyncClient) -> httpx2.AsyncClient:
    """A client without an API key, as a cron job is one."""
    del client.headers["Authorization"]
    return client


async def test_each_url_of_a_heartbeat_says_what_healthchecks_has_it_say(
    site: HeartbeatSite, stranger: httpx2.AsyncClient
) -> None:
    """HEAD, GET and POST alike, with `OK` and how much of a body is kept."""
    monitor_id = await site.plant()
    url = f"/ping/{(await site.address(monitor_id)).ping_id}"
    run = uuid4()
    for method, path in (
        ("POST", f"/start?rid={run}"),
        ("GET", f"?rid={run}"),
        ("HEAD", "/fail"),
        ("GET", "/0"),
        ("POST", "/255"),
        ("POST", "/log"),
        ("GET", "/"),
    ):
        answer = await stranger.request(method, url + path)
        assert (answer.status_code, answer.text) == (200, "" if method == "HEAD" else "OK")
        assert answer.headers["Ping-Body-Limit"] == "100000"
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert await kept_kinds(site, monitor_id) == [
        ("start", None),
        ("success", None),
        ("fail", None),
        ("success", 0),
        ("fail", 255),
        ("log", None),
        ("success", None),
    ]


async def test_an_unknown_address_is_never_ok(site: HeartbeatSite, stranger: httpx2.AsyncClient) -> None:
    """A cron job with a typo in its URL must not look fine."""
    address = await site.address(await site.plant())
    for path, status, text in (
        (f"/ping/{uuid4()}", 404, "not found"),
        ("/ping/nonsense", 400, "invalid url format"),
        (f"/ping/{address.ping_id}/256", 400, "invalid url format"),
        (f"/ping/{address.ping_id}/stop", 400, "invalid url format"),
        (f"/ping/{address.ping_id}?rid=7", 400, "invalid uuid format"),
        (f"/ping/{'k' * 22}/backup", 404, "not found"),
        (f"/ping/{'k' * 22}/backup?create=1", 404, "not found"),
    ):
        answer = await stranger.get(path)
        assert (answer.status_code, answer.text) == (status, text), path
    assert (await stranger.delete(f"/ping/{address.ping_id}")).status_code == 405


async def test_a_slug_needs_a_ping_key_and_one_heartbeat(
    site: HeartbeatSite, stranger: httpx2.AsyncClient, ping_key: str
) -> None:
    """Slugs are one namespace of the installation; a slug that two have is nobody's."""
    monitor_id = await site.plant(slug="backup")
    await site.plant(slug="twice")
    await site.plant(slug="twice")
    assert (await stranger.get(f"/ping/{ping_key}/backup/start")).text == "OK"
    assert (await stranger.post(f"/ping/{ping_key}/backup/3")).text == "OK"
    assert await kept_kinds(site, monitor_id) == [("start", None), ("fail", 3)]
    for path, status, text in (
        ("twice", 409, "ambiguous slug"),
        ("missing", 404, "not found"),
        ("Backup", 400, "invalid url format"),
    ):
        answer = await stranger.get(f"/ping/{ping_key}/{path}")
        assert (answer.status_code, answer.text) == (status, text)


async def test_a_revoked_ping_key_opens_nothing(
    site: HeartbeatSite, stranger: httpx2.AsyncClient, services: ApiServices
) -> None:
    """This process knows at once."""
    await site.plant(slug="backup")
    created = await services.ping_keys.create("lost", created_by="tests")
    assert (await stranger.get(f"/ping/{created.secret}/backup")).status_code == 200
    await services.ping_keys.revoke(created.key.key_id)
    services.ping_keyring.forget_all()
    assert (await stranger.get(f"/ping/{created.secret}/backup")).status_code == 404


async def test_a_heartbeat_can_be_made_by_its_first_ping(
    site: HeartbeatSite, stranger: httpx2.AsyncClient, ping_key: str
) -> None:
    """`?create=1`: a day's period and an hour's grace, as Healthchecks has it; the second ping finds it there."""
    first = await stranger.get(f"/ping/{ping_key}/new-job?create=1")
    async with site.database.transaction() as work:
        (made,) = await work.fetch("select state from monitor_states")
    assert made.state == MonitorState.UP.code
    second = await stranger.get(f"/ping/{ping_key}/new-job?create=1")
    assert (first.status_code, first.text) == (201, "Created")
    assert (second.status_code, second.text) == (200, "OK")
    async with site.database.transaction() as work:
        (row,) = await work.fetch(
            "select name, interval_ms, grace_ms, pings from monitors join heartbeats using (monitor_id)"
        )
    assert tuple(row) == ("new-job", 86_400_000, 3_600_000, 2)


async def test_a_body_is_kept_up_to_its_bound(
    site: HeartbeatSite, make_services: MakeServices, open_client: OpenClient
) -> None:
    """The beginning of it, whatever it is and whatever it is called."""
    monitor_id = await site.plant()
    url = f"/ping/{(await site.address(monitor_id)).ping_id}"
    async with open_client(make_services({"ping_body_limit": 10})) as client:
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = await client.post(url, content=b"0123456789 and more", headers=form)
        assert (answer.text, answer.headers["Ping-Body-Limit"]) == ("OK", "10")
        await client.post(url, content=b"\x00\xff")
        await client.post(url)
    async with site.database.transaction() as work:
        bodies = [await PingStore(work).find_body(monitor_id, number) for number in (1, 2, 3)]
    assert bodies == [b"0123456789", b"\x00\xff", None]


async def test_uptime_kumas_push_urls_work(site: HeartbeatSite, stranger: httpx2.AsyncClient) -> None:
    """Status, message and the duration that the sender measured."""
    monitor_id = await site.plant()
    url = f"/api/push/{(await site.address(monitor_id)).push_token}"
    answer = await stranger.get(url, params={"status": "up", "msg": "OK", "ping": "12.5"})
    assert (answer.status_code, answer.json()) == (200, {"ok": True})
    assert [sample.value for sample in await site.samples(monitor_id)] == [12.5]
    await stranger.post(url, params={"status": "down", "msg": "the disk is full", "ping": ""})
    row = await site.row("monitor_states", monitor_id)
    assert (row.state, row.message) == (MonitorState.DOWN.code, "the disk is full")


async def test_an_unknown_or_paused_push_url_is_not_ok(site: HeartbeatSite, stranger: httpx2.AsyncClient) -> None:
    """In Uptime Kuma's own words."""
    paused = await site.plant(state=MonitorState.PAUSED)
    for token in ("unknown", (await site.address(paused)).push_token):
        answer = await stranger.get(f"/api/push/{token}")
        assert answer.status_code == 404
        assert answer.json() == {"ok": False, "msg": "Monitor not found or not active."}


async def test_a_key_in_a_header_is_not_needed_and_not_asked_for(
    site: HeartbeatSite, stranger: httpx2.AsyncClient
) -> None:
    """Not even a wrong one is looked at: the URL is what lets in."""
    url = f"/ping/{(await site.address(await site.plant())).ping_id}"
    assert (await stranger.get(url, headers={"X-API-Key": "wrong"})).text == "OK"
    assert (await stranger.get("/api/v1/jobs", headers={"X-API-Key": ADMIN_KEY[:-1]})).status_code == 401


async def test_a_page_may_ask_before_it_pings(site: HeartbeatSite, stranger: httpx2.AsyncClient) -> None:
    """A browser's preflight is answered, since pings may come from anywhere."""
    url = f"/ping/{(await site.address(await site.plant())).ping_id}"
    answer = await stranger.options(url)
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (204, "*")
