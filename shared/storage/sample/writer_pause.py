"""Moves a mark that writers of samples go by, at a moment when none of them is in the middle of a transaction."""

from datetime import datetime, timedelta

import asyncpg
from sqlalchemy.exc import DBAPIError

from shared.storage.advisory_locks import SAMPLE_WRITERS
from shared.storage.database import Database


async def move_past_writers(database: Database, statement: str, until: datetime, *, patience: timedelta) -> bool:
    """Run `statement` with `until` as its parameter, once the writers that do not know of it yet are through.

    They and those that come after are not held up for longer than `patience`; False says that it was not enough and
    nothing was moved.
    """
    try:
        async with database.transaction() as work:
            milliseconds = int(patience / timedelta(milliseconds=1))
            await work.run("select set_config('lock_timeout', $1, true)", f"{milliseconds}ms")
            await work.run("select pg_advisory_xact_lock($1)", SAMPLE_WRITERS)
            await work.run(statement, until)
    except DBAPIError as error:
        if error.orig is not None and isinstance(error.orig.__cause__, asyncpg.LockNotAvailableError):
            return False
        raise
    return True
