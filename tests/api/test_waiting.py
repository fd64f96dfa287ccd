"""Long polls."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from api_client import ADMIN_KEY, MakeServices, OpenClient
from starlette.types import Message

from api import job_reading
from api.exchange import Exchange, put_exchange
from api.hot_path import HotPath
from api.services import ApiServices
from api.waiting import WaitersFullError, Waiting
from shared.domain.job.jobs import JobState
from shared.domain.job.leases import JobChange
from shared.storage.database import Database

JOB = {"kind": "collect", "targets": [{"kind": "file", "path": "/var/log/app.log"}]}
WAIT = {"Prefer": "wait=20"}
Finish = Callable[[str], Awaitable[None]]


@pytest.fixture
async def location(client: httpx2.AsyncClient) -> str:
    """A job's address."""
    return (await client.post("/api/v1/jobs", json=JOB)).headers["location"]


async def change(database: Database, location: str, statement: str) -> JobChange:
    """Change a job's row as a worker would; nobody is told."""
    async with database.transaction() as work:
        rows = await work.fetch(
            f"update jobs set {statement}, version = version + 1 where job_id = $1 returning job_id, version, state",
            UUID(location[-36:]),
        )
    return JobChange(job_id=rows[0].job_id, version=rows[0].version, state=JobState(rows[0].state))


CANCELLED = "state = 'cancelled', finished_at = now()"
RUNNING = "state = 'running', lease_token = gen_random_uuid()"


async def begin(client: httpx2.AsyncClient, location: str, **headers: str) -> "asyncio.Task[httpx2.Response]":
    """Ask for a job and wait for it in the background."""
    return asyncio.create_task(client.get(location, headers=WAIT | headers))


async def test_a_wait_ends_when_the_job_does(
    client: httpx2.AsyncClient,
    services: ApiServices,
    database: Database,
    location: str,
    listening: None,
    someone_waits: asyncio.Event,
) -> None:
    """The event of another process, through Redis, wakes the request at once."""
    waiting = await begin(client, location)
    await someone_waits.wait()
    await services.context.events.publish([await change(database, location, CANCELLED)])
    async with asyncio.timeout(4):
        response = await waiting
    assert (response.status_code, response.json()["state"]) == (200, "cancelled")
    assert response.headers["preference-applied"] == "wait=20"


async def test_without_a_tag_only_the_end_is_waited_for(
    client: httpx2.AsyncClient, services: ApiServices, database: Database, location: str, someone_waits: asyncio.Event
) -> None:
    """A job that begins to run does not end the wait."""
    waiting = await begin(client, location)
    await someone_waits.wait()
    services.reading.hear(await change(database, location, RUNNING))
    await services.reading.find(location[-36:])
    await asyncio.sleep(0)
    assert not waiting.done()
    services.reading.hear(await change(database, location, f"{CANCELLED}, lease_token = null"))
    async with asyncio.timeout(4):
        assert (await waiting).json()["state"] == "cancelled"


async def test_with_a_tag_any_change_is_waited_for(
    client: httpx2.AsyncClient, services: ApiServices, database: Database, location: str, someone_waits: asyncio.Event
) -> None:
    """The tag says what the client has; whatever differs is news."""
    etag = (await client.get(location)).headers["etag"]
    waiting = await begin(client, location, **{"If-None-Match": etag})
    await someone_waits.wait()
    services.reading.hear(await change(database, location, RUNNING))
    async with asyncio.timeout(4):
        response = await waiting
    assert (response.status_code, response.json()["state"]) == (200, "running")


async def test_a_tag_that_is_old_already_is_answered_at_once(
    client: httpx2.AsyncClient, location: str, someone_waits: asyncio.Event
) -> None:
    """There is nothing to wait for."""
    async with asyncio.timeout(4):
        response = await client.get(location, headers=WAIT | {"If-None-Match": '"old"'})
    assert response.status_code == 200
    assert not someone_waits.is_set()


async def test_a_wait_that_is_over_is_304(client: httpx2.AsyncClient, location: str) -> None:
    """Nothing changed: the tag still stands."""
    etag = (await client.get(location)).headers["etag"]
    response = await client.get(location, headers={"Prefer": "wait=0", "If-None-Match": etag})
    assert (response.status_code, response.content) == (304, b"")
    assert response.headers["preference-applied"] == "wait=0"
    assert int(response.headers["retry-after"]) >= 1


async def test_an_ended_job_is_not_waited_for(
    client: httpx2.AsyncClient, location: str, someone_waits: asyncio.Event
) -> None:
    """It will not change."""
    etag = (await client.post(f"{location}/cancel")).headers["etag"]
    response = await client.get(location, headers=WAIT | {"If-None-Match": etag})
    assert response.status_code == 304
    assert not someone_waits.is_set()


async def test_a_change_between_reading_and_waiting_is_not_slept_through(
    client: httpx2.AsyncClient,
    services: ApiServices,
    database: Database,
    location: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The waiter registers first and reads then, so that a change before the registration is found by reading."""
    wait = services.reading.wait

    async def late(*arguments: Any, **options: Any) -> Any:
        services.reading.hear(await change(database, location, CANCELLED))
        return await wait(*arguments, **options)

    monkeypatch.setattr(services.reading, "wait", late)
    async with asyncio.timeout(4):
        assert (await client.get(location, headers=WAIT)).json()["state"] == "cancelled"


async def test_a_lost_event_is_made_up_for_by_reading(
    client: httpx2.AsyncClient,
    database: Database,
    location: str,
    someone_waits: asyncio.Event,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody tells of the change, and the waiter finds it nevertheless."""
    monkeypatch.setattr(job_reading, "RECHECK_SECONDS", 0.01)
    waiting = await begin(client, location)
    await someone_waits.wait()
    await change(database, location, CANCELLED)
    async with asyncio.timeout(5):
        assert (await waiting).json()["state"] == "cancelled"


async def test_a_reconnect_wakes_everybody(
    client: httpx2.AsyncClient, services: ApiServices, database: Database, location: str, someone_waits: asyncio.Event
) -> None:
    """Events may have been missed while Redis was away."""
    waiting = await begin(client, location)
    await someone_waits.wait()
    await change(database, location, CANCELLED)
    services.reading.hear_reconnect()
    async with asyncio.timeout(4):
        assert (await waiting).json()["state"] == "cancelled"


async def test_above_the_bound_a_wait_is_answered_at_once(
    make_services: MakeServices, open_client: OpenClient, location: str
) -> None:
    """No preference is confirmed, and the client is told when to ask again."""
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    async with open_client(make_services({"max_waiters": 0}), headers=headers) as client, asyncio.timeout(4):
        polled = await client.get(location, headers=WAIT)
        submitted = await client.post("/api/v1/jobs", json=JOB, headers=WAIT)
    assert (polled.status_code, submitted.status_code) == (200, 202)
    for response in (polled, submitted):
        assert "preference-applied" not in response.headers
        assert int(response.headers["retry-after"]) >= 1


async def test_a_wait_ends_when_the_process_stops(
    client: httpx2.AsyncClient, services: ApiServices, location: str, someone_waits: asyncio.Event
) -> None:
    """A stop does not take as long as the longest wait."""
    waiting = await begin(client, location)
    await someone_waits.wait()
    services.waiting.close()
    async with asyncio.timeout(4):
        assert (await waiting).status_code == 200


async def test_a_wait_ends_when_the_client_leaves(
    services: ApiServices, location: str, someone_waits: asyncio.Event
) -> None:
    """Uvicorn does not cancel a handler: it watches for the disconnection itself."""
    left = asyncio.Event()
    messages: list[Message] = [{"type": "http.request", "body": b""}]

    async def receive() -> Message:
        if messages:
            return messages.pop()
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        return

    lines = [(b"prefer", b"wait=20")]
    scope = {"type": "http", "method": "GET", "path": location, "headers": lines}
    put_exchange(scope, Exchange(request_id="r", started=0.0, headers=dict(lines)))
    asking = asyncio.create_task(HotPath(never, services.reading)(scope, receive, send))
    await someone_waits.wait()
    left.set()
    async with asyncio.timeout(4):
        await asking
    assert services.waiting.count == 0


async def never(*_: object) -> None:
    """What the hot path must not pass a poll on to."""
    raise AssertionError("the hot path passed the poll on")


async def test_waiting_holds_no_connection(
    client: httpx2.AsyncClient, services: ApiServices, location: str, someone_waits: asyncio.Event
) -> None:
    """More waiters than the pool has connections do not keep others from the database."""
    pool_size = services.context.settings.database_pool_size
    waiters = [await begin(client, location) for _ in range(pool_size * 3)]
    await someone_waits.wait()
    async with asyncio.timeout(4):
        lists = await asyncio.gather(*(client.get("/api/v1/jobs") for _ in range(pool_size * 2)))
    assert {response.status_code for response in lists} == {200}
    assert services.waiting.count == len(waiters)
    services.waiting.close()
    assert {response.status_code for response in await asyncio.gather(*waiters)} == {200}


class TestWaiting:
    """The register of waiters."""

    def test_only_waiters_of_the_job_are_woken(self) -> None:
        """A bell for each."""
        waiting, job, other = Waiting(max_waiters=10), uuid4(), uuid4()
        with waiting.register(job) as bell, waiting.register(other) as silent:
            waiting.wake(job)
            assert (bell.is_set(), silent.is_set()) == (True, False)
            waiting.wake_all()
            assert silent.is_set()

    def test_who_leaves_makes_room(self) -> None:
        """The bound counts those who wait now; nothing is left of those who are gone."""
        waiting = Waiting(max_waiters=1)
        with waiting.register(uuid4()):
            with pytest.raises(WaitersFullError), waiting.register(uuid4()):
                pass
            assert waiting.count == 1
        with waiting.register(uuid4()):
            pass
        assert waiting.count == 0
        assert waiting._bells == {}
