"""Whether the database's schema is the one this program was written for."""

import asyncio

from shared.storage.database import Database, UnitOfWork
from shared.storage.errors import StorageUnavailableError

RETRY_SECONDS = 0.5

HEAD = "0006"
"""The newest migration; a test keeps it equal to the files in `migrations/versions`, which are slow to read."""


class OldSchemaError(Exception):
    """The schema is older than this program needs; the message says what to do."""


async def check_schema(database: Database) -> None:
    """Raise `OldSchemaError` when the schema is older than `HEAD`.

    A newer one is fine: migrations only add, so that the release before goes on while the next one is rolled out.
    """
    revision = await find_revision(database)
    if revision is None:
        raise OldSchemaError(f"the database has no schema, {HEAD} is needed: run `tocsin migrate`")
    if revision < HEAD:
        raise OldSchemaError(f"the database's schema is {revision}, {HEAD} is needed: run `tocsin migrate`")


async def find_revision(database: Database) -> str | None:
    """The schema's revision, four digits, or None for a database that was never migrated."""
    async with database.transaction() as work:
        return await find_revision_in(work)


async def find_revision_in(work: UnitOfWork) -> str | None:
    """The same, within a unit of work."""
    if (await work.fetch("select to_regclass('alembic_version')"))[0][0] is None:
        return None
    rows = await work.fetch("select version_num from alembic_version")
    return str(rows[0][0]) if rows else None


async def wait_for_schema(database: Database, *, patience_seconds: float = 30.0) -> None:
    """Check the schema, waiting for a database that is still starting.

    Raises:
        OldSchemaError: the schema is not the one this program needs.
        StorageUnavailableError: the database did not answer in time.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience_seconds
    while True:
        try:
            return await check_schema(database)
        except StorageUnavailableError:
            if loop.time() >= deadline:
                raise
        await asyncio.sleep(RETRY_SECONDS)
