"""What storage raises when the database cannot be reached, and how to tell."""

import asyncpg
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi
from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

_UNAVAILABLE = (
    OSError,
    TimeoutError,
    PoolTimeoutError,
    InterfaceError,
    asyncpg.InterfaceError,
    # A statement that meets the server's farewell half-way leaves the driver between two states.
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InsufficientResourcesError,
)


class StorageUnavailableError(Exception):
    """The database could not be reached or did not answer in time; nothing was lost, try again."""


def is_unavailable(error: BaseException) -> bool:
    """Whether `error` means that the database is away or overloaded, rather than that a statement was wrong."""
    if isinstance(error, DBAPIError):
        original = error.orig.__cause__ if error.orig is not None else None
        return error.connection_invalidated or isinstance(original, _UNAVAILABLE) or isinstance(error, InterfaceError)
    if isinstance(error, AsyncAdapt_asyncpg_dbapi.Error):
        # A connection that the server refuses: SQLAlchemy passes the driver's own error on as it translated it.
        return isinstance(error.__cause__, _UNAVAILABLE)
    return isinstance(error, _UNAVAILABLE)
