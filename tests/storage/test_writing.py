"""The unit of work past SQLAlchemy does what the other one does."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from shared.storage.database import Database, create_engine


@pytest.fixture
async def lonely(database_url: str) -> AsyncIterator[Database]:
    """A database with one connection, made a temporary table's owner."""
    database = Database(create_engine(database_url, pool_size=1, name="tests"))
    async with database.writing() as work:
        await work.run("create temporary table kept (number int primary key, body jsonb)")
    yield database
    await database.close()


async def numbers(database: Database) -> list[int]:
    async with database.transaction() as work:
        return [row.number for row in await work.fetch("select number from kept order by number")]


async def spoil(database: Database) -> None:
    async with database.writing() as work:
        await work.run("create table never_there (number int)")
        await work.run("insert into kept values (1), (1)")


async def copy_and_fail(database: Database) -> None:
    async with database.writing() as work:
        await (await work.driver()).copy_records_to_table("copied_here", records=[(1,)])
        raise RuntimeError("late")


async def test_what_is_written_is_committed_at_the_end(lonely: Database) -> None:
    """Rows are read by attribute, and as a mapping, and a statement tells how many it touched."""
    async with lonely.writing() as work:
        written = await work.run("insert into kept select unnest($1::int[]), $2", [1, 2], '{"a": 1}')
        first, _ = await work.fetch("select number, body->>'a' as a from kept order by number")
    assert written.rowcount == 2
    assert (first.number, first.a, dict(first._mapping)) == (1, "1", {"number": 1, "a": "1"})
    assert await numbers(lonely) == [1, 2]
    with pytest.raises(AttributeError, match="absent"):
        _ = first.absent


async def test_a_statement_without_rows_touches_an_unknown_number(lonely: Database) -> None:
    """As SQLAlchemy has it."""
    async with lonely.writing() as work:
        assert (await work.run("set local lock_timeout = '1s'")).rowcount == -1


async def test_an_error_rolls_back_and_costs_the_connection(lonely: Database) -> None:
    """The driver's error comes through, nothing is left of the transaction, and the next one has a new connection."""
    async with lonely.writing() as work:
        (before,) = await work.fetch("select pg_backend_pid() as pid")
    with pytest.raises(asyncpg.UniqueViolationError):
        await spoil(lonely)
    async with lonely.writing() as work:
        (after,) = await work.fetch("select pg_backend_pid() as pid, to_regclass('never_there') is null as is_clean")
    assert after.is_clean
    assert after.pid != before.pid


async def test_copy_is_part_of_the_transaction(lonely: Database) -> None:
    """What COPY wrote goes when the transaction fails."""
    async with lonely.writing() as work:
        await work.run("create table if not exists copied_here (number int)")
    with pytest.raises(RuntimeError, match="late"):
        await copy_and_fail(lonely)
    async with lonely.writing() as work:
        rows = await work.fetch("select number from copied_here")
        await work.run("drop table copied_here")
    assert not rows


async def test_one_statement_commits_by_itself(lonely: Database) -> None:
    """Each is its own transaction."""
    async with lonely.one_statement() as work:
        ids = [(await work.fetch("select pg_current_xact_id()::text as id"))[0].id for _ in range(2)]
    assert ids[0] != ids[1]
