"""Asks PostgreSQL: a fresh connection to a checked address, one read-only transaction, bounded rows and bytes."""

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal, TypeAlias

import asyncpg

from shared.collectors.byte_meter import MAX_ANSWER_BYTES, ByteMeter
from shared.collectors.database import DatabaseAnswer, DatabaseFailure, Question, TransactionCount
from shared.collectors.deadline import Deadline
from shared.collectors.postgresql_faults import classify, find_refusal
from shared.domain.target.dsn import DatabaseAddress
from shared.domain.target.observation import Blame, Fault
from shared.transport.dialling import Dialler
from shared.transport.trust import find_ca_file

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

KEPT_CHARACTERS = 10_000
"""How much of one text value is kept for conditions."""
_EXACT_DIGITS = 18
_CLOSE_SECONDS = 1.0
_STATISTICS_SECONDS = 1.0

_STATISTICS = """
    select numbackends, xact_commit + xact_rollback as transactions, extract(epoch from clock_timestamp())::float8 as at
    from pg_catalog.pg_stat_database where datname = pg_catalog.current_database()
"""


class PostgresqlDriver:
    """Speaks with PostgreSQL through asyncpg, at addresses that the dialler's egress policy allows.

    A Unix socket is of the worker's own machine, and so falls under the same setting as loopback:
    `allows_local_sockets` is `TOCSIN_EGRESS_LOOPBACK`.
    """

    def __init__(self, dialler: Dialler, *, allows_local_sockets: bool) -> None:
        self._dialler = dialler
        self._allows_local_sockets = allows_local_sockets

    async def ask(self, address: DatabaseAddress, question: Question) -> DatabaseAnswer | DatabaseFailure:
        """Look once; whatever happens, the connection is gone afterwards."""
        conversation = _Conversation(address, question)
        try:
            async with asyncio.timeout(question.timeout_seconds):
                places = await self._find_places(address, conversation.deadline)
                if isinstance(places, Fault):
                    return conversation.fail(places)
                return await conversation.hold(places)
        except Exception as error:  # noqa: BLE001 - whatever a server can provoke in the driver is sorted there.
            return conversation.explain(error)
        finally:
            await conversation.end()

    async def _find_places(self, address: DatabaseAddress, deadline: Deadline) -> Sequence[str] | Fault:
        if not address.is_local_socket:
            route = await self._dialler.route(address.host, address.port, timeout_seconds=deadline.remaining)
            return route if isinstance(route, Fault) else route.addresses
        if self._allows_local_sockets:
            return (address.host,)
        sentence = f"the Unix socket in {address.host} is of the worker's own machine and not dialled"
        return Fault("blocked_by_policy", f"{sentence}, unless TOCSIN_EGRESS_LOOPBACK is set", Blame.OURS)


class _Conversation:
    """One connection from dialling to hanging up, and how far it came."""

    def __init__(self, address: DatabaseAddress, question: Question) -> None:
        self.address = address
        self.question = question
        self.deadline = Deadline(question.timeout_seconds)
        self.connection: Connection | None = None
        self.meter: ByteMeter | None = None

    async def hold(self, places: Sequence[str]) -> DatabaseAnswer | DatabaseFailure:
        connection = self.connection = await self.connect(places)
        connect_ms = self.deadline.elapsed_ms
        self.meter = ByteMeter.attach(connection)
        await connection.execute(self.opening())
        rows = await self.read_rows(connection)
        query_ms = self.deadline.elapsed_ms - connect_ms
        statistics = await self.read_statistics(connection)
        return DatabaseAnswer(
            connect_ms,
            query_ms,
            first_row={name: _plain(value) for name, value in rows[0].items()} if rows else None,
            row_count=None if self.question.query is None else len(rows),
            connections=statistics["numbackends"] if statistics else None,
            transactions=TransactionCount(statistics["transactions"], statistics["at"]) if statistics else None,
        )

    async def connect(self, places: Sequence[str]) -> Connection:
        """Dial the addresses in turn; the last one's error is the one told."""
        *others, last = places
        for number, place in enumerate(others):
            try:
                async with asyncio.timeout(self.deadline.remaining / (len(places) - number)):
                    return await self.dial(place)
            except OSError:
                continue
        return await self.dial(last)

    async def dial(self, place: str) -> Connection:
        """Connect with nothing but what the DSN says; what is passed here is not looked up in the environment."""
        address = self.address
        return await asyncpg.connect(
            host=place,
            port=address.port,
            user=address.user,
            password=address.password,
            database=address.database,
            ssl=_tls_of(address),
            timeout=self.deadline.remaining,
            # Unnamed statements only, so that a pooler between us and the server is no trouble.
            statement_cache_size=0,
            server_settings={"application_name": "tocsin collector"},
        )

    def opening(self) -> str:
        """Begin; everything is set for the transaction only, as a pooler may give the session to somebody else."""
        left_ms = max(1, int(self.deadline.remaining * 900))
        return (
            "begin isolation level repeatable read read only;"
            f"set local statement_timeout = {left_ms};"
            f"set local lock_timeout = {max(1, left_ms // 2)};"
            f"set local idle_in_transaction_session_timeout = {left_ms + 1000};"
            "set local cursor_tuple_fraction = 1.0"
        )

    async def read_rows(self, connection: Connection) -> Sequence[asyncpg.Record]:
        """Read through a cursor: the server refuses what is not a query, and sends no more rows than wanted."""
        query = self.question.query
        if query is None:
            return []
        await connection.fetch(f"declare tocsin no scroll cursor for\n{query}")
        return await connection.fetch(f"fetch forward {self.question.max_rows + 1} from tocsin")

    async def read_statistics(self, connection: Connection) -> Mapping[str, Any] | None:
        """Connections and transactions, if the server tells them; a server that does not is no worse for it."""
        try:
            row = await connection.fetchrow(_STATISTICS, timeout=min(_STATISTICS_SECONDS, self.deadline.remaining))
        except (asyncpg.PostgresError, TimeoutError):
            return None
        return dict(row) if row is not None and row["transactions"] is not None else None

    def explain(self, error: Exception) -> DatabaseFailure:
        if self.meter is not None and self.meter.is_exceeded:
            megabytes = MAX_ANSWER_BYTES // 1_000_000
            return self.fail(Fault("answer_too_large", f"the query answers with more than {megabytes} MB", Blame.OURS))
        refusal = find_refusal(error, self.question.query)
        return self.fail(refusal or classify(error, self.address, is_connected=self.connection is not None))

    def fail(self, fault: Fault) -> DatabaseFailure:
        return DatabaseFailure(fault, self.deadline.elapsed_ms, self.connection is not None)

    async def end(self) -> None:
        """Roll back and hang up politely within a second, else by force."""
        connection = self.connection
        if connection is None or connection.is_closed():
            return
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await connection.execute("rollback")
                await connection.close()
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            connection.terminate()
        except BaseException:
            connection.terminate()
            raise


class _NamedContext(ssl.SSLContext):
    """Verifies the certificate for the DSN's name, while the address is what is dialled."""

    name = ""

    def wrap_bio(self, *arguments: Any, **options: Any) -> ssl.SSLObject:  # noqa: ANN401 - handed on as they are.
        """As the base class, with the name in place of the address."""
        options["server_hostname"] = self.name
        return super().wrap_bio(*arguments, **options)


def _tls_of(address: DatabaseAddress) -> ssl.SSLContext | Literal["disable", "prefer"]:
    if address.is_local_socket or address.tls == "disable":
        return "disable"
    if address.tls == "prefer":
        return "prefer"
    return _context(address.host, is_verified=address.tls == "verify-full")


@lru_cache(maxsize=256)
def _context(name: str, *, is_verified: bool) -> ssl.SSLContext:
    context = _NamedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.name = name
    context.set_alpn_protocols(["postgresql"])
    if is_verified:
        context.load_verify_locations(cafile=find_ca_file())
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _plain(value: Any) -> str | int | float | bool | None:  # noqa: ANN401 - a column is of any type.
    """A value that conditions can compare: a number, text, a boolean or None."""
    match value:
        case None | bool() | int() | float():
            return value
        case Decimal():
            is_exact = value.is_finite() and value == value.to_integral_value() and value.adjusted() < _EXACT_DIGITS
            return int(value) if is_exact else float(value)
        case timedelta():
            return value.total_seconds()
        case bytes():
            return value[:KEPT_CHARACTERS].hex()
        case _:
            return str(value)[:KEPT_CHARACTERS]
