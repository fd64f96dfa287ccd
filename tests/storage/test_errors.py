"""Telling a database that is away from a statement that is wrong."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy.exc import DBAPIError

from shared.storage.database import Database, create_engine
from shared.storage.errors import StorageUnavailableError

STARTING_UP = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0"


@pytest.fixture
async def starting_server() -> AsyncIterator[int]:
    """A PostgreSQL that is still starting, as far as a client can see: it refuses whoever connects."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = int.from_bytes(await reader.readexactly(4))
        await reader.readexactly(size - 4)
        writer.write(b"E" + (len(STARTING_UP) + 4).to_bytes(4) + STARTING_UP)
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def test_a_server_that_is_starting_is_away(starting_server: int) -> None:
    """Whoever writes down a job's end tries again, instead of taking the end for one that cannot be written."""
    url = f"postgresql://tocsin@127.0.0.1:{starting_server}/tocsin?sslmode=disable"
    database = Database(create_engine(url, pool_size=2, name="test"))
    with pytest.raises(StorageUnavailableError):
        async with database.transaction() as work:
            await work.run("select 1")
    with pytest.raises(StorageUnavailableError):
        async with database.writing() as work:
            await work.run("select 1")
    await database.close()


async def test_an_error_does_not_tell_what_a_statement_was_given(database: Database) -> None:
    """It is logged, and the values may be people's."""
    with pytest.raises(DBAPIError) as raised:
        async with database.transaction() as work:
            await work.run("select 1 / (length($1::text) - 6)", "secret")
    assert "secret" not in str(raised.value)
