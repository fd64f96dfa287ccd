from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

import migrations
from shared.storage.database import Database, create_engine
from shared.storage.errors import StorageUnavailableError
from shared.storage.schema import HEAD, OldSchemaError, check_schema, wait_for_schema
from shared.storage.tables import metadata


async def test_the_constant_head_is_the_newest_migration() -> None:
    """`check_schema` reads no files, so the constant must follow them."""
    versions = Path(migrations.__file__).parent / "versions"
    assert max(path.name[:4] for path in versions.glob("[0-9]*.py")) == HEAD


async def test_a_migrated_database_passes(database: Database) -> None:
    """The template is at the head."""
    await check_schema(database)


async def test_models_and_migrations_describe_the_same_tables(database: Database) -> None:
    """Alembic finds nothing that a migration would have to add."""
    async with database.engine.connect() as connection:
        assert await connection.run_sync(differences) == []


def differences(connection: Connection) -> list[object]:
    # Partitions are made by upkeep, as many as there are days; no model names them.
    def is_ours(_object: object, name: str | None, kind: str, _reflected: bool, _other: object) -> bool:  # noqa: FBT001
        return kind != "table" or name in metadata.tables

    context = MigrationContext.configure(connection, opts={"compare_server_default": True, "include_object": is_ours})
    return list(compare_metadata(context, metadata))


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("drop table alembic_version", "no schema"),
        ("update alembic_version set version_num = '0001'", f"schema is 0001, {HEAD} is needed: run `tocsin migrate`"),
    ],
)
async def test_an_old_schema_is_refused_with_what_to_do(fresh_database_url: str, statement: str, message: str) -> None:
    """A missing and an old schema are told apart."""
    database = Database(create_engine(fresh_database_url, pool_size=2, name="tests"))
    try:
        async with database.transaction() as work:
            await work.run(statement)
        with pytest.raises(OldSchemaError, match=message):
            await check_schema(database)
    finally:
        await database.close()


async def test_a_newer_schema_is_worked_with(fresh_database_url: str) -> None:
    """The release before goes on while the next one's migration is already applied."""
    database = Database(create_engine(fresh_database_url, pool_size=2, name="tests"))
    try:
        async with database.transaction() as work:
            await work.run("update alembic_version set version_num = '9999'")
        assert await wait_for_schema(database, patience_seconds=0) is None
    finally:
        await database.close()


async def test_a_database_that_stays_away_is_told() -> None:
    """A start waits for its database, but not for ever."""
    database = Database(create_engine("postgresql://nobody@/none?host=/nowhere", pool_size=2, name="tests"))
    with pytest.raises(StorageUnavailableError):
        await wait_for_schema(database, patience_seconds=0)
    await database.close()
