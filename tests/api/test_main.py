"""The API process: what it refuses to start on, how it serves and how it stops."""

import asyncio
import signal
import socket
import statistics
import time
from collections.abc import Iterator

import httpx2
import pytest
from api_client import ADMIN_KEY
from api_process import ApiProcess, api_process

from api import main
from api.main import EXIT_DATABASE_AWAY, EXIT_OLD_SCHEMA, EXIT_PORT_TAKEN, EXIT_REFUSED, StartRefusedError
from shared.clock import utc_now
from shared.domain.access import Scope
from shared.services.access import Access
from shared.settings import Settings
from shared.storage.database import Database, create_engine
from shared.wiring import ProcessContext

JOB = {"kind": "collect", "targets": [{"kind": "file", "path": "/var/log/app.log"}]}


@pytest.fixture
def servers_of(fresh_database_url: str, redis_url: str) -> dict[str, str]:
    """The settings that name a migrated database of the test's own."""
    return {"database_url": fresh_database_url, "redis_url": redis_url}


@pytest.fixture
def api(servers_of: dict[str, str]) -> Iterator[ApiProcess]:
    """A process that needs no key."""
    with api_process(**servers_of, embedded="true") as process:
        yield process.wait_until_listening()


async def change(url: str, statement: str) -> None:
    """Run a statement in a database."""
    database = Database(create_engine(url, pool_size=2, name="tests"))
    async with database.transaction() as work:
        await work.run(statement)
    await database.close()


def refusal(**settings: str) -> tuple[int, str]:
    """The exit code and the words of a process that does not start."""
    with api_process(**settings) as process:
        return process.wait_until_ended(), process.log


class TestRefusing:
    """What the process does not start on."""

    async def test_an_old_schema(self, servers_of: dict[str, str]) -> None:
        """It names the command that mends it, and says nothing else."""
        await change(servers_of["database_url"], "update alembic_version set version_num = '0001'")
        code, words = await asyncio.to_thread(refusal, **servers_of)
        assert code == EXIT_OLD_SCHEMA
        assert "tocsin migrate" in words
        assert len(words.splitlines()) == 1

    def test_an_open_address_without_a_key(self, servers_of: dict[str, str]) -> None:
        """Reached by others, it must be able to tell them apart; embedded or not."""
        for embedded in ("true", "false"):
            code, words = refusal(**servers_of, host="0.0.0.0", embedded=embedded)
            assert code == EXIT_REFUSED
            assert "TOCSIN_ADMIN_KEY" in words
            assert len(words.splitlines()) == 1

    def test_no_servers(self) -> None:
        """It names the settings."""
        code, words = refusal()
        assert code == EXIT_REFUSED
        assert "TOCSIN_DATABASE_URL" in words

    def test_a_key_of_secrets_that_is_none(self, servers_of: dict[str, str]) -> None:
        """It names the setting, and does not repeat what was set."""
        code, words = refusal(**servers_of, secret_keys="hunter2")
        assert code == EXIT_REFUSED
        assert "TOCSIN_SECRET_KEYS" in words
        assert "hunter2" not in words

    def test_a_port_that_is_taken(self, servers_of: dict[str, str]) -> None:
        """It names the port and the setting."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            code, words = refusal(**servers_of, port=str(port))
        assert code == EXIT_PORT_TAKEN
        assert f"127.0.0.1:{port}" in words
        assert "TOCSIN_PORT" in words

    async def test_a_database_that_stays_away(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """It waits for one that is starting, but not for ever."""
        monkeypatch.setattr(main, "DATABASE_WAIT_SECONDS", 0.0)
        context = ProcessContext.open(
            Settings(database_url="postgresql://t@127.0.0.1:1/t", redis_url="redis://127.0.0.1:1"), name="tests"
        )
        with pytest.raises(StartRefusedError) as refused:
            await main._check_start(context)
        await context.close()
        assert refused.value.exit_code == EXIT_DATABASE_AWAY
        assert "TOCSIN_DATABASE_URL" in str(refused.value)


@pytest.mark.parametrize("where", ["setting", "database"])
async def test_an_open_address_with_a_key_is_served(servers_of: dict[str, str], where: str) -> None:
    """A key of either kind is enough to start, and needed to be let in."""
    settings = {"admin_key": ADMIN_KEY} if where == "setting" else {}
    key = ADMIN_KEY
    if where == "database":
        database = Database(create_engine(servers_of["database_url"], pool_size=2, name="tests"))
        key = (await Access(database, clock=utc_now).create("a", Scope.READ, created_by="tests")).secret
        await database.close()
    with api_process(**servers_of, **settings, host="0.0.0.0") as process:
        await asyncio.to_thread(process.wait_until_listening)
        async with httpx2.AsyncClient(base_url=process.url) as client:
            assert (await client.get("/api/v1/jobs")).status_code == 401
            assert (await client.get("/api/v1/jobs", headers={"X-API-Key": key})).status_code == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_it_though_requests_wait(api: ApiProcess, number: signal.Signals) -> None:
    """Long polls are answered, not waited for; the exit code is 0."""
    async with httpx2.AsyncClient(base_url=api.url, timeout=20) as client:
        location = (await client.post("/api/v1/jobs", json=JOB)).headers["location"]
        waiting = asyncio.create_task(client.get(location, headers={"Prefer": "wait=25"}))
        while "tocsin_waiters 1.0" not in (await client.get("/metrics")).text:
            assert not waiting.done()
        started = time.monotonic()
        api.process.send_signal(number)
        assert (await waiting).status_code == 200
    assert await asyncio.to_thread(api.wait_until_ended) == 0
    assert time.monotonic() - started < 8
    assert '"event":"api_stopped"' in api.log


async def test_keep_alive_requests_are_not_held_back(api: ApiProcess) -> None:
    """A lost TCP_NODELAY costs 44 ms for each of them; uvloop sets it."""
    async with httpx2.AsyncClient(base_url=api.url) as client:
        times = []
        for _ in range(50):
            started = time.monotonic()
            await client.get("/livez")
            times.append(time.monotonic() - started)
    assert statistics.median(times) < 0.025


def test_who_only_sends_still_reads_the_refusal(api: ApiProcess) -> None:
    """A client that sends its 10 MB before it reads gets the 413, not a reset connection."""
    body = b" " * 10_000_000
    head = (
        b"POST /api/v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n" % len(body)
    )
    with socket.create_connection(("127.0.0.1", api.port), timeout=10) as connection:
        connection.sendall(head + body)
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_who_asks_before_sending_is_refused_before_it_sends(api: ApiProcess) -> None:
    """`Expect: 100-continue`, as curl sends it: no byte of the body is asked for."""
    with socket.create_connection(("127.0.0.1", api.port), timeout=10) as connection:
        connection.sendall(
            b"POST /api/v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b"Content-Length: 10000000\r\nExpect: 100-continue\r\n\r\n"
        )
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 413 ")


async def test_requests_are_logged_as_json(api: ApiProcess) -> None:
    """One line each, with the id the client was told."""
    async with httpx2.AsyncClient(base_url=api.url) as client:
        response = await client.get("/api/v1/jobs")
    api.process.terminate()
    await asyncio.to_thread(api.wait_until_ended)
    (line,) = [line for line in api.log.splitlines() if '"event":"request"' in line]
    assert response.headers["x-request-id"] in line
