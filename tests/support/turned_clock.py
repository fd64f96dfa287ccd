"""A database whose clock a test turns: days pass in seconds, nights of summer time come, and time runs backwards."""

from datetime import datetime

from sqlalchemy import make_url

from shared.storage.database import Database, create_engine

# `now` is found by the search path like every function: ours comes first, and says what the table holds.
_MAKE = (
    "drop schema if exists turned cascade",
    "create schema turned",
    "create table turned.clock (moment timestamptz not null)",
    "insert into turned.clock values (now())",
    *(
        f"create function turned.{name}() returns timestamptz stable language sql as 'select moment from turned.clock'"
        for name in ("now", "clock_timestamp")
    ),
)


class TurnedClock:
    """The clock of one database, which stands still unless it is turned."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def turn(self, moment: datetime) -> None:
        """Let it be that time."""
        async with self._database.transaction() as work:
            await work.run("update turned.clock set moment = $1", moment)


async def open_turned(database_url: str) -> Database:
    """An engine over a database of the test's own, all of whose connections go by the turned clock."""
    name = make_url(database_url).database
    making = Database(create_engine(database_url, pool_size=1, name="clockmaker"))
    async with making.transaction() as work:
        for statement in _MAKE:
            await work.run(statement)
        await work.run(f'alter database "{name}" set search_path = turned, pg_catalog, public')
    await making.close()
    return Database(create_engine(database_url, pool_size=10, name="turned"))
