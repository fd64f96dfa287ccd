"""The database collector against the real PostgreSQL, and against servers that are not quite one."""

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from sqlalchemy import make_url

from cli.embedded import ServerUrls
from shared.collectors.database import DatabaseCollector
from shared.collectors.postgresql import PostgresqlDriver
from shared.domain.target.egress import EgressPolicy
from shared.domain.target.observation import Blame, Observation
from shared.domain.target.targets import DatabaseTarget
from shared.transport.dialling import Dialler
from shared.transport.resolver import Resolver

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(scope="session")
async def resolver() -> AsyncIterator[Resolver]:
    resolver = Resolver()
    yield resolver
    await resolver.close()


@pytest.fixture
def server_url(servers: ServerUrls) -> str:
    """A database that needs no tables of ours."""
    return servers.database_url


def make_collector(resolver: Resolver, *, allows_loopback: bool = True) -> DatabaseCollector:
    dialler = Dialler(resolver, EgressPolicy.parse("any", allow_loopback=allows_loopback))
    return DatabaseCollector({"postgresql": PostgresqlDriver(dialler, allows_local_sockets=allows_loopback)})


@pytest.fixture
def collector(resolver: Resolver) -> DatabaseCollector:
    return make_collector(resolver)


def target(dsn: str, query: str | None = None, **fields: Any) -> DatabaseTarget:
    return DatabaseTarget.model_validate({"kind": "database", "dsn": dsn, "query": query, **fields})


@pytest.fixture
async def table(server_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A table of three orders, and a connection to change it by."""
    connection = await asyncpg.connect(server_url)
    await connection.execute(
        "create table orders as select * from (values (1, 'new'), (2, 'paid'), (3, null)) o (id, state)"
    )
    yield connection
    await connection.execute("drop table orders")
    await connection.close()


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    """A server on loopback; gives the DSN that leads to it."""
    ended: list[asyncio.Task[None]] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ended.append(asyncio.current_task())  # type: ignore[arg-type]
        try:
            await handler(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"postgresql://u:hunter2@127.0.0.1:{port}/d?sslmode=disable"
    finally:
        server.close()
        for task in ended:
            task.cancel()
        await asyncio.gather(*ended, return_exceptions=True)


async def read_startup(reader: asyncio.StreamReader) -> None:
    (length,) = struct.unpack("!i", await reader.readexactly(4))
    await reader.readexactly(length - 4)


def refusal(state: str, message: str) -> bytes:
    """An ErrorResponse of PostgreSQL's protocol."""
    fields = b"".join(name + text.encode() + b"\0" for name, text in [(b"S", "FATAL"), (b"C", state), (b"M", message)])
    return b"E" + struct.pack("!i", len(fields) + 5) + fields + b"\0"


def answering(answer: bytes) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_startup(reader)
        writer.write(answer)
        await writer.drain()

    return handle


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def test_a_query_gives_value_row_and_count(
    collector: DatabaseCollector, server_url: str, table: asyncpg.Connection
) -> None:
    """The first value, the first row by column, and how many rows there are."""
    seen = await collector.collect(target(server_url, "select id, state from orders order by id;"))
    assert seen.fault is None
    assert (seen.values["VALUE"], seen.values["ROWS"], seen.values["CONNECTED"]) == (1, 3, True)
    assert seen.values["ROW"] == {"id": 1, "state": "new"}
    assert (seen.metrics["value"], seen.metrics["rows"]) == (1.0, 3.0)
    assert seen.metrics["connect_ms"] > 0
    assert seen.metrics["query_ms"] > 0
    assert seen.metrics["connections"] >= 1
    assert seen.duration_ms == pytest.approx(seen.metrics["connect_ms"] + seen.metrics["query_ms"])


async def test_without_a_query_the_databases_health_is_read(collector: DatabaseCollector, server_url: str) -> None:
    """Connecting, connections and times need no query."""
    seen = await collector.collect(target(server_url))
    assert seen.fault is None
    assert {"ROWS", "VALUE", "ROW"}.isdisjoint(seen.values)
    assert seen.values["CONNECTIONS"] >= 1


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("12345678901234567::numeric", 12345678901234567),
        ("1.5::numeric", 1.5),
        ("'NaN'::numeric", None),
        ("true", True),
        ("null", None),
        ("date '2026-11-21'", "2026-11-21"),
        ("interval '90 s'", 90.0),
        ("'\\xff'::bytea", "ff"),
        ("'{\"a\": 1}'::jsonb", '{"a": 1}'),
        ("array[1, 2]", "[1, 2]"),
        ("repeat('x', 20000)", "x" * 10_000),
        ("current_setting('transaction_read_only')", "on"),
    ],
)
async def test_values_become_what_conditions_can_compare(
    collector: DatabaseCollector, server_url: str, expression: str, value: Any
) -> None:
    """Numbers stay exact, everything else becomes bounded text; NULL is no value."""
    seen = await collector.collect(target(server_url, f"select {expression} as x -- as it is"))
    assert seen.fault is None
    if expression.startswith("'NaN'"):
        assert seen.values["VALUE"] != seen.values["VALUE"]
        assert "value" not in seen.metrics
    else:
        assert seen.values.get("VALUE") == value


async def test_rows_are_capped(collector: DatabaseCollector, server_url: str) -> None:
    """One row more than the cap says that there were more; the rest is never sent."""
    query = "select generate_series(1, 1000000000)"
    seen = await collector.collect(target(server_url, query, max_rows=50))
    assert (seen.fault, seen.values["ROWS"]) == (None, 51)


async def test_an_answer_of_many_megabytes_is_cut_off(collector: DatabaseCollector, server_url: str) -> None:
    """Wide rows cannot fill the worker's memory; that the check asks for too much is not the database's fault."""
    seen = await collector.collect(target(server_url, "select repeat('x', 1000000) from generate_series(1, 90)"))
    assert seen.fault is not None
    assert (seen.fault.code, seen.fault.blame) == ("answer_too_large", Blame.OURS)


@pytest.mark.parametrize(
    ("query", "code", "blame"),
    [
        ("insert into orders values (4, 'new')", "query_refused", Blame.OURS),
        ("-- note\nupdate orders set id = 1", "query_refused", Blame.OURS),
        ("with x as (delete from orders returning *) select * from x", "query_refused", Blame.OURS),
        ("select nextval('orders_seq')", "query_refused", Blame.OURS),
        ("copy orders to '/tmp/x'", "query_refused", Blame.OURS),
        ("select 1; drop table orders", "query_invalid", Blame.OURS),
        ("select 1 from orders wher id = 1 and", "query_invalid", Blame.OURS),
        ("select $1::int", "query_invalid", Blame.OURS),
        ("select * from missing", "query_failed", Blame.TARGET),
        ("select 1 / (id - id) from orders", "query_failed", Blame.TARGET),
    ],
)
async def test_a_query_is_refused_or_fails_with_a_named_reason(
    collector: DatabaseCollector, server_url: str, table: asyncpg.Connection, query: str, code: str, blame: Blame
) -> None:
    """What writes or cannot be read is the configuration's fault; what the schema lacks is the database's."""
    await table.execute("create sequence if not exists orders_seq")
    try:
        seen = await collector.collect(target(server_url, query))
    finally:
        await table.execute("drop sequence orders_seq")
    assert seen.fault is not None
    assert (seen.fault.code, seen.fault.blame) == (code, blame), seen.fault
    assert seen.values["CONNECTED"] is True
    assert await table.fetchval("select count(*) from orders") == 3


async def test_a_slow_query_ends_at_the_timeout_and_on_the_server_too(
    collector: DatabaseCollector, server_url: str, table: asyncpg.Connection
) -> None:
    """The server's own timeout ends the statement, so that a sick database gets no more to do."""
    seen = await collector.collect(target(server_url, "select pg_sleep(30)", timeout="300ms"))
    assert seen.fault is not None
    assert (seen.fault.code, seen.fault.blame) == ("timeout", Blame.TARGET)
    assert seen.duration_ms < 2000
    left = "select count(*) from pg_stat_activity where application_name = 'tocsin collector' and state = 'active'"
    assert await table.fetchval(left) == 0


async def test_a_locked_table_is_not_waited_for_to_the_end(
    collector: DatabaseCollector, server_url: str, table: asyncpg.Connection
) -> None:
    """A lock held by somebody else is told as what it is."""
    async with table.transaction():
        await table.execute("lock table orders in access exclusive mode")
        seen = await collector.collect(target(server_url, "select * from orders", timeout="500ms"))
    assert seen.fault is not None
    assert seen.fault.code == "lock_timeout"


async def test_transactions_per_second_need_two_looks(
    collector: DatabaseCollector, server_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first look has nothing to compare with."""
    monkeypatch.setattr("shared.collectors.database.LEAST_RATE_SECONDS", 0.0)
    first = await collector.collect(target(server_url))
    second = await collector.collect(target(server_url))
    assert "transactions_per_second" not in first.metrics
    assert second.metrics["transactions_per_second"] >= 0


async def relay_to(directory: str) -> Handler:
    """A handler that carries a TCP connection to the embedded server's socket."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_reader, to_writer = await asyncio.open_unix_connection(f"{directory}/.s.PGSQL.5432")
        await asyncio.gather(pump(reader, to_writer), pump(to_reader, writer))

    return handle


async def test_a_database_is_reached_by_name_and_port(collector: DatabaseCollector, server_url: str) -> None:
    """The name is resolved and a checked address dialled; without TLS where the server offers none."""
    url = make_url(server_url)
    async with serving(await relay_to(str(url.query["host"]))) as dsn:
        port = dsn.rpartition(":")[2].partition("/")[0]
        seen = await collector.collect(
            target(f"postgresql://{url.username}:{url.password}@localhost:{port}/{url.database}", "select 7")
        )
    assert (seen.fault, seen.values.get("VALUE")) == (None, 7)


@pytest.mark.parametrize("query", ["select 1", "select nonsense", "select pg_sleep(9)"])
async def test_nothing_is_left_open(collector: DatabaseCollector, server_url: str, query: str) -> None:
    """After each look, good, bad or timed out, the connection has been closed from our side."""
    relay = await relay_to(str(make_url(server_url).query["host"]))
    closed = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await relay(reader, writer)
        closed.set()

    async with serving(handle) as dsn:
        address = dsn.partition("@")[2].partition("/")[0]
        await collector.collect(target(f"postgresql://tocsin@{address}/tocsin", query, timeout="500ms"))
        async with asyncio.timeout(5):
            await closed.wait()
    assert closed.is_set()


@pytest.mark.parametrize(
    ("handler", "code", "blame"),
    [
        (answering(refusal("28P01", 'password "hunter2" is wrong')), "authentication_failed", Blame.TARGET),
        (answering(refusal("3D000", "no such database")), "database_missing", Blame.TARGET),
        (answering(refusal("53300", "too many clients already")), "too_many_connections", Blame.TARGET),
        (answering(refusal("57P03", "the database system is starting up")), "not_ready", Blame.TARGET),
        (answering(b""), "connection_lost", Blame.TARGET),
        (answering(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 9), "connection_lost", Blame.TARGET),
        (hang, "timeout", Blame.TARGET),
    ],
)
async def test_a_server_that_does_not_let_us_in_is_down_by_name(
    collector: DatabaseCollector, handler: Handler, code: str, blame: Blame
) -> None:
    """Each way of refusing has its own code, and no message tells the password."""
    async with serving(handler) as dsn:
        seen = await collector.collect(target(dsn, timeout="500ms"))
    assert seen.fault is not None
    assert (seen.fault.code, seen.fault.blame) == (code, blame), seen.fault
    assert "hunter2" not in seen.fault.message
    assert seen.values == {"CONNECTED": False}


async def test_tls_that_is_required_and_not_offered_is_told(collector: DatabaseCollector) -> None:
    """A server without TLS is not spoken to in clear when the DSN requires it."""
    async with serving(answering(b"N")) as dsn:
        seen = await collector.collect(target(dsn.replace("disable", "require")))
    assert seen.fault is not None
    assert seen.fault.code == "tls_refused"


async def test_a_closed_port_is_refused(collector: DatabaseCollector) -> None:
    """Nothing listens there."""
    async with serving(hang) as dsn:
        pass
    seen = await collector.collect(target(dsn))
    assert seen.fault is not None
    assert (seen.fault.code, seen.fault.blame) == ("connection_refused", Blame.TARGET)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "169.254.169.254", "0x7f.1"])
async def test_a_forbidden_address_is_not_dialled(resolver: Resolver, host: str) -> None:
    """The egress policy holds for databases too; its refusal is our own doing."""
    seen: Observation = await make_collector(resolver, allows_loopback=False).collect(
        target(f"postgresql://u@{host}/d")
    )
    assert seen.fault is not None
    assert (seen.fault.code, seen.fault.blame) == ("blocked_by_policy", Blame.OURS)


async def test_a_local_socket_needs_the_setting_for_loopback(resolver: Resolver, server_url: str) -> None:
    """Sockets belong to the worker's machine, and often to our own database."""
    seen = await make_collector(resolver, allows_loopback=False).collect(target(server_url))
    assert seen.fault is not None
    assert seen.fault.code == "blocked_by_policy"
    assert "TOCSIN_EGRESS_LOOPBACK" in seen.fault.message


async def test_a_missing_socket_is_refused(collector: DatabaseCollector) -> None:
    """A server that is not started has no socket."""
    seen = await collector.collect(target("postgresql://u@/d?host=/nonexistent"))
    assert seen.fault is not None
    assert seen.fault.code == "connection_refused"
