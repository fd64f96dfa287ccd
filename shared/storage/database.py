"""The database engine of a process: bounded pool, timeouts, JSON by msgspec, and where units of work come from."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import msgspec
import structlog
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from shared.storage.errors import StorageUnavailableError, is_unavailable
from shared.storage.open_connections import OpenConnections
from shared.storage.slow_queries import SlowQueries
from shared.storage.work import Driver, DriverUnitOfWork, Reader, UnitOfWork

_log = structlog.get_logger()

__all__ = ["Database", "Reader", "UnitOfWork", "create_engine"]

COMMAND_TIMEOUT_SECONDS = 30.0
"""The most one statement may take before the client gives up on it."""

_WHEN_WE_ARE_GONE = {
    # A process that was stopped, or cut off without a word, keeps no row locked; ours never pause in a transaction.
    "idle_in_transaction_session_timeout": "10s",
    # Half a minute, where the system's own is two hours; ignored on Unix sockets.
    "tcp_keepalives_idle": "15",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}
"""How the server finds out by itself that a client is no longer there."""

CLOSE_SECONDS = 5.0
"""How long connections may take to say goodbye to the server; one that fell silent does not answer."""


def create_engine(database_url: str, *, pool_size: int, name: str) -> AsyncEngine:
    """Make the process's engine. `database_url` is `postgresql://…`; a Unix socket is named by `?host=/directory`."""
    url = make_url(database_url).set(drivername="postgresql+asyncpg")
    # libpq's name for what asyncpg's `connect` calls `ssl`; the values are the same.
    ssl_mode = url.query.get("sslmode")
    url = url.difference_update_query(["sslmode"])
    return create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=5,
        pool_pre_ping=False,
        pool_recycle=1800,
        # What a statement was given may be people's, and errors are logged.
        hide_parameters=True,
        json_serializer=lambda value: msgspec.json.encode(value).decode(),
        json_deserializer=msgspec.json.decode,
        connect_args=({"ssl": ssl_mode} if ssl_mode else {})
        | {
            "timeout": 5,
            "command_timeout": COMMAND_TIMEOUT_SECONDS,
            "server_settings": {"application_name": name, "timezone": "UTC", "jit": "off"} | _WHEN_WE_ARE_GONE,
        },
    )


class Database:
    """Where units of work come from. Statements that take `slow_query_ms` are logged; 0 logs none.

    `pulse_engine` is what a heartbeat goes over, so that it never waits behind the process's other work.
    """

    def __init__(self, engine: AsyncEngine, *, slow_query_ms: int = 0, pulse_engine: AsyncEngine | None = None) -> None:
        self.engine = engine
        self._pulse_engine = pulse_engine or engine
        self._slow = SlowQueries(slow_query_ms)
        self._open = OpenConnections(engine)
        self._open_pulses = OpenConnections(self._pulse_engine)

    @asynccontextmanager
    async def transaction(self, *, is_pulse: bool = False) -> AsyncIterator[UnitOfWork]:
        """Open a unit of work; it commits at the end of the block and rolls back on any error.

        `is_pulse` asks for the connection that nothing else uses.

        Raises:
            StorageUnavailableError: the database is away, shutting down, overloaded or too slow.
        """
        try:
            async with (self._pulse_engine if is_pulse else self.engine).begin() as connection:
                yield UnitOfWork(connection, self._slow)
        except StorageUnavailableError:
            raise
        except Exception as error:
            self._judge(error)
            raise

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[UnitOfWork]:
        """Open a unit of work for what is written hundreds of times a second: the driver's own transaction.

        SQLAlchemy's connection, cursor and result cost 0.2 ms of CPU a transaction, more than a lone job's statements.

        Raises:
            StorageUnavailableError: the database is away, shutting down, overloaded or too slow.
        """
        async with self._lent() as driver, driver.transaction():
            yield DriverUnitOfWork(driver, self._slow)

    @asynccontextmanager
    async def one_statement(self) -> AsyncIterator[UnitOfWork]:
        """Open a unit of work for a single statement, which commits by itself: one round trip instead of three.

        Raises:
            StorageUnavailableError: the database is away, shutting down, overloaded or too slow.
        """
        async with self._lent() as driver:
            yield DriverUnitOfWork(driver, self._slow)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Reader]:
        """Open a reader for what is read thousands of times a second: one round trip a statement instead of three.

        Raises:
            StorageUnavailableError: the database is away, shutting down, overloaded or too slow.
        """
        async with self._lent() as driver:
            yield Reader(driver, self._slow)

    @asynccontextmanager
    async def _lent(self) -> AsyncIterator[Driver]:
        """Lend the driver's connection out of the pool, outside any transaction."""
        try:
            pooled = await self.engine.raw_connection()
            try:
                yield cast("Driver", pooled.driver_connection)
            except BaseException:
                # SQLAlchemy did not see what failed, and would hand the broken connection out again.
                pooled.invalidate()
                raise
            finally:
                pooled.close()
        except Exception as error:
            self._judge(error)
            raise

    def _judge(self, error: Exception) -> None:
        """Raise what means that the database is away; after a timeout no connection is believed to be sound."""
        if isinstance(error, TimeoutError):
            self._open.distrust()
        if is_unavailable(error):
            raise StorageUnavailableError("the database is away or too slow") from error

    def break_pulse(self) -> None:
        """Break off the pulse's connection; what waits on it hears of it at once."""
        self._open_pulses.give_up()

    def renew_connections(self) -> None:
        """Break off all connections but the pulse's, because one fell silent without being closed.

        A firewall that forgot one has forgotten the others; else each would be found out by a timeout of its own.
        """
        _log.warning("connections_given_up", connections=self._open.give_up())

    async def close(self) -> None:
        """Close all connections."""
        for engine, connections in ((self.engine, self._open), (self._pulse_engine, self._open_pulses)):
            try:
                async with asyncio.timeout(CLOSE_SECONDS):
                    await engine.dispose()
            except TimeoutError:
                connections.give_up()
