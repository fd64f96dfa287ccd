"""The WebSocket, with a client's own library over TCP."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID, uuid4

import pytest
from api_client import ADMIN_KEY, MakeServices
from live_watch import KEY, PATIENCE_SECONDS, LiveServer, live_server
from redis.asyncio import Redis
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.frames import CloseCode

from api.access_log import AccessLog
from api.live import connection, socket, socket_route
from shared.clock import utc_now
from shared.domain.job.jobs import JobKind, JobState
from shared.domain.job.leases import JobChange
from shared.domain.live import StateTold
from shared.domain.monitor.standing import MonitorState
from shared.live_events import LiveEvents


@pytest.fixture
async def server(make_services: MakeServices, access_log: AccessLog) -> AsyncIterator[LiveServer]:
    async with live_server(make_services(), access_log) as server:
        yield server


@pytest.fixture
async def live(redis: Redis) -> AsyncIterator[LiveEvents]:
    events = LiveEvents(redis)
    yield events
    await events.close()


@asynccontextmanager
async def connected(
    server: LiveServer, headers: dict[str, str] | None = KEY, **options: Any
) -> AsyncIterator[ClientConnection]:
    async with connect(
        server.socket_url, additional_headers=headers, open_timeout=PATIENCE_SECONDS, proxy=None, **options
    ) as client:
        yield client


async def say(client: ClientConnection, **message: Any) -> None:
    await client.send(json.dumps(message))


async def hear(client: ClientConnection) -> Any:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return json.loads(await client.recv())


async def end_of(client: ClientConnection) -> tuple[int, str]:
    """The code and reason that the connection is closed with; what came before is left out."""
    with suppress(ConnectionClosedError):
        async with asyncio.timeout(PATIENCE_SECONDS):
            async for _ in client:
                pass
    assert client.close_code is not None
    return client.close_code, client.close_reason or ""


async def tell(live: LiveEvents, job_id: UUID, version: int = 1) -> None:
    live.publish_soon([JobChange(job_id, version, JobState.QUEUED, JobKind.COLLECT)])
    await live.drain()


async def test_several_subscriptions_are_told_apart_by_their_names(server: LiveServer, live: LiveEvents) -> None:
    """Each has its own filter, and what is given up is told no more."""
    first, second = uuid4(), uuid4()
    async with connected(server) as client:
        for name, job_id in (("a", first), ("b", second)):
            await say(client, type="subscribe", subscription=name, filter={"job": [str(job_id)]})
            ready = await hear(client)
            assert (ready["subscription"], ready["type"], ready["data"]) == (name, "ready", {"resumed": False})
        await tell(live, second)
        heard = await hear(client)
        assert (heard["subscription"], heard["type"]) == ("b", "job")
        assert heard["data"] == {"id": str(second), "kind": "collect", "state": "queued", "done": False, "version": 1}
        await say(client, type="unsubscribe", subscription="b")
        assert await hear(client) == {"type": "unsubscribed", "subscription": "b"}
        await tell(live, second)
        await tell(live, first)
        assert (await hear(client))["data"]["id"] == str(first)


async def test_who_comes_back_misses_nothing(server: LiveServer, live: LiveEvents) -> None:
    """The id of the last event leads on, as with server-sent events."""
    job_id = uuid4()
    async with connected(server) as client:
        await say(client, type="subscribe")
        last = (await hear(client))["id"]
    for version in range(1, 6):
        await tell(live, job_id, version)
    async with connected(server) as client:
        await say(client, type="subscribe", after=last)
        assert (await hear(client))["data"] == {"resumed": True}
        assert [(await hear(client))["data"]["version"] for _ in range(5)] == [1, 2, 3, 4, 5]
        await say(client, type="subscribe", after="5-0")
        assert (await hear(client))["data"] == {"resumed": False}
        assert (await hear(client))["data"]["reason"] == "too_old"


async def test_a_silent_connection_says_how_far_it_is(server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a ping is answered, by the application and by the protocol."""
    monkeypatch.setattr(socket, "SILENCE_SECONDS", 0.05)
    async with connected(server) as client:
        await say(client, type="ping")
        assert await hear(client) == {"type": "pong"}
        async with asyncio.timeout(PATIENCE_SECONDS):
            await (await client.ping())
        await say(client, type="subscribe")
        ready = await hear(client)
        assert await hear(client) == {"type": "place", "id": ready["id"]}


async def test_a_browser_tells_its_key_in_the_first_message(server: LiveServer, live: LiveEvents) -> None:
    """It cannot send headers."""
    job_id = uuid4()
    async with connected(server, headers=None) as client:
        await say(client, type="authenticate", key=ADMIN_KEY)
        assert await hear(client) == {"type": "authenticated"}
        await say(client, type="subscribe")
        await hear(client)
        await tell(live, job_id)
        assert (await hear(client))["data"]["id"] == str(job_id)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"type": "authenticate", "key": "tocsin_read_wrong"}, 4401),
        ({"type": "subscribe"}, 4401),
        ({"type": "authenticate"}, 4422),
    ],
)
async def test_who_does_not_say_who_it_is_is_not_told_anything(
    server: LiveServer, message: dict[str, str], code: int
) -> None:
    """The problem is told in a message, and its status in the code of the end."""
    async with connected(server, headers=None) as client:
        await say(client, **message)
        told = await hear(client)
        assert told["type"] == "problem"
        assert 4000 + told["problem"]["status"] == code
        assert (await end_of(client))[0] == code


async def test_who_says_nothing_is_sent_away(server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody holds a connection without a key for long."""
    monkeypatch.setattr(socket_route, "AUTHENTICATE_SECONDS", 0.05)
    async with connected(server, headers=None) as client:
        assert await end_of(client) == (4401, "A valid API key is needed")


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"Authorization": "Bearer tocsin_read_wrong"}, 401), ({"X-API-Key": ""}, 401)],
)
async def test_a_wrong_key_is_refused_before_the_connection_stands(
    server: LiveServer, headers: dict[str, str], status: int
) -> None:
    """With the problem of any request."""
    with pytest.raises(InvalidStatus) as refused:
        async with connected(server, headers=headers):
            pass
    assert refused.value.response.status_code == status
    assert json.loads(refused.value.response.body or b"")["type"] == "/problems/unauthorized"


@pytest.mark.parametrize(
    ("origin", "status"), [("http://evil.example", 403), (None, None), ("http://127.0.0.1:{port}", None)]
)
async def test_without_keys_only_pages_of_this_server_may_watch(
    make_services: MakeServices, access_log: AccessLog, origin: str | None, status: int | None
) -> None:
    """A browser lets every page connect to every host, so that the server has to look where the page is from."""
    services = make_services({"admin_key": None, "embedded": True})
    async with live_server(services, access_log) as server:
        origin = origin and origin.format(port=server.port)
        if status is None:
            async with connected(server, headers=None, origin=origin) as client:
                await say(client, type="subscribe")
                assert (await hear(client))["type"] == "ready"
            return
        with pytest.raises(InvalidStatus) as refused:
            async with connected(server, headers=None, origin=origin):
                pass
        assert refused.value.response.status_code == status


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("{", 4400),
        ("[]", 4422),
        ('{"type": "shout"}', 4422),
        ('{"type": "subscribe", "filter": {"kind": ["https"]}}', 4422),
        ('{"type": "subscribe", "filters": {}}', 4422),
        ('{"type": "subscribe", "subscription": "no spaces"}', 4422),
        (b"binary", 4422),
    ],
)
async def test_what_cannot_be_understood_ends_the_connection(
    server: LiveServer, message: str | bytes, code: int
) -> None:
    """With the problem in a message; a client that is wrong here would wait for events in vain."""
    async with connected(server) as client:
        await client.send(message)
        assert (await hear(client))["problem"]["status"] == code - 4000
        assert (await end_of(client))[0] == code


async def test_a_mistake_is_told_with_its_place_in_the_message(server: LiveServer) -> None:
    """A pointer leads into what the client said."""
    async with connected(server) as client:
        await say(client, type="subscribe", filter={"typo": ["job"]})
        (error,) = (await hear(client))["problem"]["errors"]
        assert error["pointer"] == "/filter/typo"


async def test_subscriptions_of_a_connection_are_bounded(server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is refused."""
    monkeypatch.setattr(socket, "MAX_SUBSCRIPTIONS", 1)
    async with connected(server) as client:
        for name in ("a", "a", "b"):
            await say(client, type="subscribe", subscription=name)
        assert (await end_of(client))[0] == 4422


async def test_a_client_that_does_not_read_is_cut(
    server: LiveServer, live: LiveEvents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connection is broken off, by the bound of its queue or of the time of a write."""
    monkeypatch.setattr(connection, "WRITE_SECONDS", 0.5)
    async with connected(server, max_queue=1, close_timeout=0.1) as client:
        await say(client, type="subscribe")
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not any(server.figure("tocsin_streams_cut_total", why=why) for why in ("behind", "blocked")):
                live.publish_soon(
                    [StateTold(uuid4(), utc_now(), MonitorState.DOWN, "timeout", "Too long. " * 400)] * 100
                )
                await live.drain()
                await asyncio.sleep(0)
        assert await end_of(client) == (CloseCode.ABNORMAL_CLOSURE, "")


async def test_no_more_clients_than_allowed_are_let_in(make_services: MakeServices, access_log: AccessLog) -> None:
    """Streams of both kinds count."""
    async with live_server(make_services({"max_streams": 1}), access_log) as server, connected(server):
        with pytest.raises(InvalidStatus) as refused:
            async with connected(server):
                pass
        assert refused.value.response.status_code == 503


async def test_a_stop_closes_connections_at_once(server: LiveServer) -> None:
    """With the code that says so, and the server ends within two seconds."""
    async with connected(server) as client:
        await say(client, type="subscribe")
        await hear(client)
        server.server.stop()
        async with asyncio.timeout(2):
            assert (await end_of(client))[0] == 1001
            await server.ended
