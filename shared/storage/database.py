"""The database engine of a process: bounded pool, timeouts, JSON by msgspec, and the unit of work."""

from asyncio import CancelledError
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Any, cast

import asyncpg
import msgspec
from sqlalchemy import CursorResult, ExceptionContext, Row, event, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from shared.storage.errors import StorageUnavailableError, is_unavailable
from shared.storage.slow_queries import SlowQueries

_PULSE = "tocsin_pulse"

COMMAND_TIMEOUT_SECONDS = 30.0
"""The most one statement may take before the client gives up on it."""


def create_engine(database_url: str, *, pool_size: int, name: str) -> AsyncEngine:
    """Make the process's engine. `database_url` is `postgresql://…`; a Unix socket is named by `?host=/directory`."""
    url = make_url(database_url).set(drivername="postgresql+asyncpg")
    # libpq's name for what asyncpg's `connect` calls `ssl`; the values are the same.
    ssl_mode = url.query.get("sslmode")
    url = url.difference_update_query(["sslmode"])
    engine = create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=5,
        pool_pre_ping=False,
        pool_recycle=1800,
        json_serializer=lambda value: msgspec.json.encode(value).decode(),
        json_deserializer=msgspec.json.decode,
        connect_args=({"ssl": ssl_mode} if ssl_mode else {})
        | {
            "timeout": 5,
            "command_timeout": COMMAND_TIMEOUT_SECONDS,
            "server_settings": {"application_name": name, "timezone": "UTC", "jit": "off"},
        },
    )
    event.listen(engine.sync_engine, "handle_error", _distrust_after_silence)
    return engine


def _distrust_after_silence(context: ExceptionContext) -> None:
    """Renew all connections when one fell silent: a firewall that forgot it has forgotten the others, too.

    Otherwise each would be found out by itself, after a timeout of its own.
    """
    is_pulse = context.connection is not None and context.connection.get_execution_options().get(_PULSE, False)
    if is_pulse and isinstance(context.original_exception, CancelledError):
        context.invalidate_pool_on_disconnect = True
    elif isinstance(context.original_exception, TimeoutError):
        context.is_disconnect = True


class UnitOfWork:
    """One transaction; only leaving its block without an error commits."""

    def __init__(self, connection: AsyncConnection, slow: SlowQueries) -> None:
        self.connection = connection
        self._slow = slow

    async def run(self, statement: str, *parameters: object) -> CursorResult[Any]:
        """Run one statement of PostgreSQL's own SQL with `$1` parameters; arrays pass as lists."""
        rows: int | None = None
        began = perf_counter()
        try:
            result = await self.connection.exec_driver_sql(statement, tuple(parameters))
            rows = result.rowcount
            return result
        finally:
            seconds = perf_counter() - began
            if seconds >= self._slow.threshold_seconds:
                self._slow.note(statement, seconds=seconds, rows=rows)

    async def fetch(self, statement: str, *parameters: object) -> Sequence[Row[Any]]:
        """Run one statement and return its rows."""
        return (await self.run(statement, *parameters)).fetchall()

    async def driver(self) -> "asyncpg.Connection[asyncpg.Record]":
        """The asyncpg connection inside this transaction, for COPY.

        SQLAlchemy opens the server's transaction with the first statement; one is sent here when there was none,
        otherwise a COPY would commit by itself.
        """
        raw = await self.connection.get_raw_connection()
        driver = cast("asyncpg.Connection[asyncpg.Record]", raw.driver_connection)
        if not driver.is_in_transaction():
            await self.run("select 1")
        return driver


class Reader:
    """Single statements that only read, each a transaction of its own."""

    def __init__(self, driver: "asyncpg.Connection[asyncpg.Record]", slow: SlowQueries) -> None:
        self._driver = driver
        self._slow = slow

    async def fetch(self, statement: str, *parameters: object) -> "list[asyncpg.Record]":
        """Run one statement and return its rows; JSON comes as text, so cast it to say so."""
        rows: int | None = None
        began = perf_counter()
        try:
            records = await self._driver.fetch(statement, *parameters)
            rows = len(records)
            return records
        finally:
            seconds = perf_counter() - began
            if seconds >= self._slow.threshold_seconds:
                self._slow.note(statement, seconds=seconds, rows=rows)


class Database:
    """Where units of work come from. Statements that take `slow_query_ms` are logged; 0 logs none."""

    def __init__(self, engine: AsyncEngine, *, slow_query_ms: int = 0) -> None:
        self.engine = engine
        self._slow = SlowQueries(slow_query_ms)
        self._pulsing = engine.execution_options(**{_PULSE: True})
        self._autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")

    @asynccontextmanager
    async def transaction(self, *, is_pulse: bool = False) -> AsyncIterator[UnitOfWork]:
        """Open a unit of work; it commits at the end of the block and rolls back on any error.

        One that is a pulse takes no time unless the connection is gone: cancelled for being late, it lets all
        connections be made anew.

        Raises:
            StorageUnavailableError: the database is away, shutting down, overloaded or too slow.
        """
        try:
            async with (self._pulsing if is_pulse else self.engine).begin() as connection:
                yield UnitOfWork(connection, self._slow)
        except StorageUnavailableError:
            raise
        except Exception as error:
            if is_unavailable(error):
                raise StorageUnavailableError("the database is away or too slow") from error
            raise

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Reader]:
        """Open a reader for what is read thousands of times a second: one round trip a statement instead of three.

        Raises:
            StorageUnavailableError: the database is away, shutting down, overloaded or too slow.
        """
        try:
            async with self._autocommit.connect() as connection:
                raw = await connection.get_raw_connection()
                try:
                    yield Reader(cast("asyncpg.Connection[asyncpg.Record]", raw.driver_connection), self._slow)
                except BaseException:
                    # SQLAlchemy did not see the statement fail, and would hand the broken connection out again.
                    await connection.invalidate()
                    raise
        except Exception as error:
            if is_unavailable(error):
                raise StorageUnavailableError("the database is away or too slow") from error
            raise

    async def close(self) -> None:
        """Close all connections."""
        await self.engine.dispose()
