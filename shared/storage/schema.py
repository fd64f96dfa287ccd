"""Whether the database's schema is the one this program was written for."""

from shared.storage.database import Database

HEAD = "0003"
"""The newest migration; a test keeps it equal to the files in `migrations/versions`, which are slow to read."""


class OldSchemaError(Exception):
    """The schema is not the one this program needs; the message says what to do."""


async def check_schema(database: Database) -> None:
    """Raise `OldSchemaError` unless the schema is at `HEAD`."""
    revision = await find_revision(database)
    if revision == HEAD:
        return
    if revision is None:
        raise OldSchemaError(f"the database has no schema, {HEAD} is needed: run `tocsin migrate`")
    if revision < HEAD:
        raise OldSchemaError(f"the database's schema is {revision}, {HEAD} is needed: run `tocsin migrate`")
    raise OldSchemaError(
        f"the database's schema is {revision}, newer than this program, which knows {HEAD}: install the newer Tocsin"
    )


async def find_revision(database: Database) -> str | None:
    """The schema's revision, four digits, or None for a database that was never migrated."""
    async with database.transaction() as work:
        if (await work.fetch("select to_regclass('alembic_version')"))[0][0] is None:
            return None
        rows = await work.fetch("select version_num from alembic_version")
    return str(rows[0][0]) if rows else None
