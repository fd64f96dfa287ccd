"""Units of work, and readers of single statements: how a store talks to the database."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, cast

import asyncpg
from sqlalchemy import CursorResult, Row
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.storage.slow_queries import SlowQueries

Driver: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


class Written(Protocol):
    """What is known of a statement that was run."""

    @property
    def rowcount(self) -> int:
        """How many rows it touched."""


class UnitOfWork:
    """One transaction; only leaving its block without an error commits."""

    def __init__(self, connection: AsyncConnection, slow: SlowQueries) -> None:
        self.connection = connection
        self._slow = slow

    async def run(self, statement: str, *parameters: object) -> Written:
        """Run one statement of PostgreSQL's own SQL with `$1` parameters; arrays pass as lists."""
        return await self._run(statement, *parameters)

    async def fetch(self, statement: str, *parameters: object) -> Sequence[Row[Any]]:
        """Run one statement and return its rows."""
        return (await self._run(statement, *parameters)).fetchall()

    async def _run(self, statement: str, *parameters: object) -> CursorResult[Any]:
        with self._slow.watched(statement) as watch:
            result = await self.connection.exec_driver_sql(statement, tuple(parameters))
            watch.rows = result.rowcount
        return result

    async def driver(self) -> Driver:
        """The asyncpg connection inside this transaction, for COPY.

        SQLAlchemy opens the server's transaction with the first statement; one is sent here when there was none,
        otherwise a COPY would commit by itself.
        """
        raw = await self.connection.get_raw_connection()
        driver = cast("Driver", raw.driver_connection)
        if not driver.is_in_transaction():
            await self.run("select 1")
        return driver


class DriverRow(asyncpg.Record):
    """A row of the driver's with columns as attributes, as SQLAlchemy's rows have them."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - a column is of any type
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(name) from error

    @property
    def _mapping(self) -> "DriverRow":
        return self


@dataclass(frozen=True, slots=True)
class _Ran:
    rowcount: int


class DriverUnitOfWork(UnitOfWork):
    """A transaction that was opened on the driver's connection, past SQLAlchemy's."""

    def __init__(self, driver: Driver, slow: SlowQueries) -> None:
        self._driver = driver
        self._slow = slow

    async def run(self, statement: str, *parameters: object) -> Written:
        """Run one statement of PostgreSQL's own SQL with `$1` parameters; arrays pass as lists."""
        with self._slow.watched(statement) as watch:
            status = await self._driver.execute(statement, *parameters)
            watch.rows = _rows_of(status)
        return _Ran(watch.rows)

    async def fetch(self, statement: str, *parameters: object) -> Sequence[Row[Any]]:
        """Run one statement and return its rows."""
        with self._slow.watched(statement) as watch:
            rows = await self._driver.fetch(statement, *parameters, record_class=DriverRow)
            watch.rows = len(rows)
        return cast("Sequence[Row[Any]]", rows)

    async def driver(self) -> Driver:
        """The asyncpg connection inside this transaction, for COPY."""
        return self._driver


def _rows_of(status: str) -> int:
    """The number that ends a command's tag, as in `UPDATE 2`; -1 where there is none."""
    number = status.rpartition(" ")[2]
    return int(number) if number.isdecimal() else -1


class Reader:
    """Single statements that only read, each a transaction of its own."""

    def __init__(self, driver: Driver, slow: SlowQueries) -> None:
        self._driver = driver
        self._slow = slow

    async def fetch(self, statement: str, *parameters: object) -> list[asyncpg.Record]:
        """Run one statement and return its rows; JSON comes as text, so cast it to say so."""
        with self._slow.watched(statement) as watch:
            records = await self._driver.fetch(statement, *parameters)
            watch.rows = len(records)
        return records
