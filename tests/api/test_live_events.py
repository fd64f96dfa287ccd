"""Server-sent events, from the stream in Redis to a client over TCP."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import httpx2
import pytest
from api_client import MakeKey, MakeServices
from live_watch import KEY, PATIENCE_SECONDS, Heard, LiveServer, Watcher, live_server, watching
from monitor_data import MonitorData, monitor_id_of, plant_monitors
from redis.asyncio import Redis

from api.access_log import AccessLog
from api.live import connection, sse, subscription
from shared.domain.access import Scope
from shared.domain.job.jobs import JobKind, JobState
from shared.domain.job.leases import JobChange
from shared.domain.live import LiveEvent, SampleTold, StateTold
from shared.domain.monitor.standing import MonitorState, StateChange
from shared.domain.target.outcome import Outcome
from shared.live_events import STREAM, LiveEvents
from shared.live_events.wire import FIELD, encode_batch
from shared.storage.database import Database

SLOW_REQUEST = (
    f"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: {KEY['Authorization']}\r\n\r\n".encode()
)
AT = datetime(2026, 11, 21, 5, 10, 47, 713000, tzinfo=UTC)


@pytest.fixture
async def server(make_services: MakeServices, access_log: AccessLog) -> AsyncIterator[LiveServer]:
    async with live_server(make_services(), access_log) as server:
        yield server


@pytest.fixture
async def live(redis: Redis) -> AsyncIterator[LiveEvents]:
    """Another process that tells events."""
    events = LiveEvents(redis)
    yield events
    await events.close()


def job(job_id: UUID | None = None, version: int = 1, state: JobState = JobState.QUEUED) -> JobChange:
    return JobChange(job_id or uuid4(), version, state, JobKind.COLLECT)


def sample(monitor_id: UUID | None = None) -> SampleTold:
    return SampleTold(monitor_id or uuid4(), AT, Outcome.DOWN, 12.5, "timeout")


def state(monitor_id: UUID | None = None) -> StateTold:
    return StateTold(monitor_id or uuid4(), AT, MonitorState.DOWN, "timeout", "It took too long.")


def long_state() -> StateTold:
    """Some kilobytes, so that the system's own buffers are soon full."""
    return StateTold(uuid4(), AT, MonitorState.DOWN, "timeout", "It took too long. " * 200)


async def tell(live: LiveEvents, *events: LiveEvent) -> None:
    """Tell the events by now."""
    live.publish_soon(events)
    await live.drain()


async def ready(watcher: Watcher) -> Heard:
    """The first event of a stream."""
    heard = await watcher.next()
    assert heard.name == "ready"
    return heard


async def test_all_kinds_of_events_arrive_as_documented(server: LiveServer, live: LiveEvents) -> None:
    """Under the names that the rest of the API has for the same, each with an id that grows."""
    told = (sample(), state(), job(version=7, state=JobState.SUCCEEDED))
    async with watching(server) as watcher:
        assert watcher.response.headers["content-type"] == "text/event-stream; charset=utf-8"
        first = await ready(watcher)
        assert first.data == {"resumed": False}
        await tell(live, *told)
        heard = [await watcher.next() for _ in told]
    assert [(each.name, each.data) for each in heard] == [
        (
            "sample",
            {
                "monitor_id": str(told[0].monitor_id),
                "at": "2026-11-21T05:10:47.713000Z",
                "outcome": "down",
                "duration_ms": 12.5,
                "code": "timeout",
            },
        ),
        (
            "state",
            {
                "monitor_id": str(told[1].monitor_id),
                "state": "down",
                "since": "2026-11-21T05:10:47.713000Z",
                "code": "timeout",
                "message": "It took too long.",
            },
        ),
        (
            "job",
            {"id": str(told[2].job_id), "kind": "collect", "state": "succeeded", "done": True, "version": 7},
        ),
    ]
    assert len({each.event_id for each in heard}) == 3


async def test_only_what_was_asked_for_arrives(server: LiveServer, live: LiveEvents) -> None:
    """By type, and by the ids of monitors and jobs, of which any will do."""
    monitor_id, job_id = uuid4(), uuid4()
    async with watching(server, type="state,job", monitor=str(monitor_id), job=str(job_id)) as watcher:
        await ready(watcher)
        await tell(live, sample(monitor_id), state(), job(), state(monitor_id), job(job_id))
        assert (await watcher.next()).data["monitor_id"] == str(monitor_id)
        assert (await watcher.next()).data["id"] == str(job_id)


async def test_only_monitors_of_a_group_with_labels_arrive(
    server: LiveServer, live: LiveEvents, database: Database
) -> None:
    """Also of a monitor that is made while somebody watches, from its first event on."""
    async with watching(server, group="web", label="team:shop") as watcher:
        await ready(watcher)
        planted = [
            MonitorData(monitor_id_of(number), [StateChange(AT, MonitorState.UP)], name=f"m{number}", group=group)
            for number, group in enumerate(("web", "web", "db"))
        ]
        planted[1] = replace(planted[1], labels={"team": "shop"})
        await plant_monitors(database, planted)
        await tell(live, job(), sample(), *(sample(monitor_id_of(number)) for number in range(3)))
        assert (await watcher.next()).data["monitor_id"] == str(monitor_id_of(1))
        await tell(live, state(monitor_id_of(1)))
        assert (await watcher.next()).name == "state"


async def test_who_comes_back_misses_nothing_while_events_flow(server: LiveServer, live: LiveEvents) -> None:
    """Interrupted again and again, a client that sends its last id gets every event once, in order."""
    job_id, count = uuid4(), 300

    async def flow() -> None:
        for version in range(1, count + 1):
            await tell(live, job(), job(job_id, version))

    async with watching(server, job=str(job_id)) as watcher:
        last = (await ready(watcher)).event_id
    versions: list[int] = []
    flowing = asyncio.create_task(flow())
    while len(versions) < count:
        async with watching(server, headers={"Last-Event-ID": last}, job=str(job_id)) as watcher:
            assert (await ready(watcher)).data == {"resumed": True}
            for _ in range(min(30, count - len(versions))):
                heard = await watcher.next()
                versions.append(heard.data["version"])
                last = heard.event_id
    await flowing
    assert versions == list(range(1, count + 1))


async def test_a_silent_stream_says_how_far_it_is(
    server: LiveServer, live: LiveEvents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who hears nothing of his own for long does not fall behind: the id goes on without an event."""
    monkeypatch.setattr(sse, "HEARTBEAT_SECONDS", 0.05)
    async with watching(server, job=str(uuid4())) as watcher:
        before = (await ready(watcher)).event_id
        await tell(live, job())
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (after := await watcher.next_place()) == before:
                pass
    async with watching(server, last_event_id=after, type="job") as watcher:
        assert (await ready(watcher)).data == {"resumed": True}


@pytest.mark.parametrize(
    ("last", "reason"),
    [("5-0-1", "too_old"), ("9999999999999-0", "unknown"), ("hello", "unknown")],
)
async def test_who_cannot_be_told_what_is_missing_is_told_that(
    server: LiveServer, last: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reset, with a reason, and then what is new."""
    monkeypatch.setattr("api.live.hub.REACH_SECONDS", 0.05)
    async with watching(server, last_event_id=last) as watcher:
        assert (await ready(watcher)).data == {"resumed": False}
        heard = await watcher.next()
        assert (heard.name, heard.data["reason"]) == ("reset", reason)
        assert server.figure("tocsin_live_resets_total", reason=reason) == 1


async def until_later(redis: Redis, event: Heard) -> None:
    """Wait until an event that is told now has another number: they count milliseconds, and begin anew with a wipe."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            seconds, microseconds = await redis.time()
            if seconds * 1000 + microseconds // 1000 > int(event.event_id.partition("-")[0]):
                return


async def test_a_wiped_redis_is_noticed_and_told(server: LiveServer, live: LiveEvents, redis: Redis) -> None:
    """Who watches is told at once that something may be missing, and hears what comes after it."""
    after = job()
    async with watching(server) as watcher:
        await ready(watcher)
        await tell(live, job())
        last = await watcher.next()
        await redis.flushall()
        await until_later(redis, last)
        await tell(live, job())
        heard = await watcher.until(lambda each: each.name == "reset")
        assert heard[-1].data["reason"] == "redis_lost"
        await tell(live, after)
        assert (await watcher.until(lambda each: each.name == "job"))[-1].data["id"] == str(after.job_id)
    async with watching(server, headers={"Last-Event-ID": last.event_id}) as watcher:
        await ready(watcher)
        assert (await watcher.next()).name == "reset"


async def test_a_broken_connection_to_redis_costs_no_event(server: LiveServer, live: LiveEvents, redis: Redis) -> None:
    """The stream is read on from where it stood, and nobody is told to read again."""
    async with watching(server) as watcher:
        await ready(watcher)
        for version in range(1, 6):
            await redis.client_kill_filter(_type="normal", skipme=True)
            told = job(version=version)
            await tell(live, told)
            assert (await watcher.next()).data["id"] == str(told.job_id)


async def test_events_that_nobody_could_tell_are_told_as_missing(server: LiveServer, redis: Redis) -> None:
    """A process that could not reach Redis says so with its next entry, before what it tells."""
    event = job()
    async with watching(server) as watcher:
        await ready(watcher)
        await redis.xadd(STREAM, {FIELD: encode_batch([event], lost=4)})
        reset, told = await watcher.next(), await watcher.next()
    assert (reset.name, reset.data["reason"], told.name) == ("reset", "not_told", "job")


async def test_what_is_no_entry_of_ours_is_passed_over(server: LiveServer, live: LiveEvents, redis: Redis) -> None:
    """It does not make the process deaf."""
    event = job()
    async with watching(server) as watcher:
        await ready(watcher)
        await redis.xadd(STREAM, {b"x": b"hello"})
        await redis.xadd(STREAM, {FIELD: b"hello"})
        await tell(live, event)
        assert (await watcher.next()).data["id"] == str(event.job_id)


async def test_a_client_that_does_not_read_is_cut_and_others_are_not(server: LiveServer, live: LiveEvents) -> None:
    """Its connection is broken off when too much waits for it; whoever reads gets everything meanwhile."""
    async with slow_client(server), watching(server) as watcher:
        await ready(watcher)
        await until(lambda: server.figure("tocsin_streams", transport="sse") == 2)
        while not server.figure("tocsin_streams_cut_total", why="behind"):
            told = [long_state() for _ in range(100)]
            await tell(live, *told)
            heard = [(await watcher.next()).data["monitor_id"] for _ in told]
            assert heard == [str(each.monitor_id) for each in told]
        await until(lambda: server.figure("tocsin_streams", transport="sse") == 1)


async def test_a_write_that_blocks_ends_the_stream(
    server: LiveServer, live: LiveEvents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where not much waits: somebody whose line is dead is not kept for ever."""
    monkeypatch.setattr(connection, "WRITE_SECONDS", 0.2)
    monkeypatch.setattr(subscription, "MAX_QUEUED_BYTES", 1_000_000_000)
    monkeypatch.setattr(subscription, "MAX_QUEUED_EVENTS", 1_000_000)
    async with slow_client(server), asyncio.timeout(PATIENCE_SECONDS):
        while not server.figure("tocsin_streams_cut_total", why="blocked"):
            await tell(live, *(long_state() for _ in range(100)))
        await until(lambda: server.figure("tocsin_streams", transport="sse") == 0)
    assert server.figure("tocsin_streams_cut_total", why="blocked") == 1
    assert server.figure("tocsin_streams_cut_total", why="behind") == 0


async def test_who_leaves_is_noticed(server: LiveServer) -> None:
    """A stream whose client is gone does not count until the next event, but at once not."""
    async with watching(server) as watcher:
        await ready(watcher)
        assert server.figure("tocsin_streams", transport="sse") == 1
    await until(lambda: server.figure("tocsin_streams", transport="sse") == 0)


async def test_a_stop_ends_open_streams_at_once(server: LiveServer) -> None:
    """The answers end properly, and the server within two seconds."""
    async with watching(server) as first, watching(server) as second:
        await ready(first)
        await ready(second)
        server.server.stop()
        async with asyncio.timeout(2):
            await first.end()
            await second.end()
            await server.ended
        assert (first.response.is_closed, second.response.is_closed) == (True, True)
    assert server.figure("tocsin_streams", transport="sse") == 0


async def test_no_more_clients_than_allowed_are_let_in(make_services: MakeServices, access_log: AccessLog) -> None:
    """The next one is told when to come back, and gets in when one has left."""
    async with live_server(make_services({"max_streams": 1}), access_log) as server:
        async with watching(server) as watcher, httpx2.AsyncClient(headers=KEY) as client:
            await ready(watcher)
            refused = await client.get(server.events_url, timeout=PATIENCE_SECONDS)
            assert refused.status_code == 503
            assert refused.json()["type"] == "/problems/too-many-streams"
            assert int(refused.headers["retry-after"]) > 0
        await until(lambda: server.figure("tocsin_streams", transport="sse") == 0)
        async with watching(server) as watcher:
            await ready(watcher)


async def test_a_question_that_only_asks_for_the_head_ends(server: LiveServer) -> None:
    """It would wait for ever otherwise."""
    async with httpx2.AsyncClient(headers=KEY) as client:
        answer = await client.head(server.events_url, timeout=PATIENCE_SECONDS)
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("type=weather", "type.0"),
        ("kind=https", "kind.0"),
        ("state=broken", "state.0"),
        ("monitor=7", "monitor.0"),
        ("label=team", "label.0"),
        ("monitors=7", "monitors"),
    ],
)
async def test_a_wrong_filter_is_refused(server: LiveServer, query: str, parameter: str) -> None:
    """Before the stream begins, with the place that is wrong; a misspelt filter would let everything through."""
    async with httpx2.AsyncClient(headers=KEY) as client:
        answer = await client.get(f"{server.events_url}?{query}", timeout=PATIENCE_SECONDS)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == parameter


async def test_watching_needs_the_right_to_read(server: LiveServer, make_key: MakeKey) -> None:
    """A key of the least scope will do, none will not."""
    async with httpx2.AsyncClient() as client:
        assert (await client.get(server.events_url, timeout=PATIENCE_SECONDS)).status_code == 401
    async with watching(server, headers={"Authorization": f"Bearer {await make_key(Scope.READ)}"}) as watcher:
        await ready(watcher)


@asynccontextmanager
async def slow_client(server: LiveServer) -> AsyncIterator[None]:
    """A client with a small buffer that asks and never reads."""
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(("127.0.0.1", server.port))
        slow.sendall(SLOW_REQUEST)
        yield


async def until(is_so: Callable[[], bool]) -> None:
    """Let others run until it is so."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not is_so():  # noqa: ASYNC110 - a figure rings no bell
            await asyncio.sleep(0)
