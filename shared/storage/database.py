"""The database engine of a process: bounded pool, timeouts, JSON by msgspec, and where units of work come from."""

from asyncio import CancelledError
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import msgspec
from sqlalchemy import ExceptionContext, event, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from shared.storage.errors import StorageUnavailableError, is_unavailable
from shared.storage.slow_queries import SlowQueries
from shared.storage.work import Driver, DriverUnitOfWork, Reader, UnitOfWork

__all__ = ["Database", "Reader", "UnitOfWork", "create_engine"]

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


class Database:
    """Where units of work come from. Statements that take `slow_query_ms` are logged; 0 logs none."""

    def __init__(self, engine: AsyncEngine, *, slow_query_ms: int = 0) -> None:
        self.engine = engine
        self._slow = SlowQueries(slow_query_ms)
        self._pulsing = engine.execution_options(**{_PULSE: True})

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
    async def writing(self) -> AsyncIterator[UnitOfWork]:
        """Open a unit of work for what is written hundreds of times a second: the driver's own transaction.

        SQLAlchemy's connection, cursor and result cost 0.2 ms of CPU a transaction, more than a lone job's statements.

        Raises:
            StorageUnavailableError: the database is away, shutting down, overloaded or too slow.
        """
        async with self._lent() as driver, driver.transaction():
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
            if is_unavailable(error):
                raise StorageUnavailableError("the database is away or too slow") from error
            raise

    async def close(self) -> None:
        """Close all connections."""
        await self.engine.dispose()
