"""Taking jobs in where a unique key or a parent may forbid it."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from job_bench import new_job

from shared.domain.job.jobs import NewJob
from shared.storage.database import Database, UnitOfWork
from shared.storage.job.intake_store import Intake, IntakeStore, UnsettledKeyError

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


async def add(database: Database, *jobs: NewJob) -> Intake:
    async with database.transaction() as work:
        return await IntakeStore(work).add(jobs, now=NOW)


async def stored(database: Database) -> set[UUID]:
    async with database.transaction() as work:
        return {row.job_id for row in await work.fetch("select job_id from jobs")}


async def somebody_waits(database: Database) -> None:
    async with asyncio.timeout(30), database.transaction() as watch:
        while not await watch.fetch("select 1 from pg_locks where not granted"):
            pass


async def test_each_job_is_taken_or_told_why_not(database: Database) -> None:
    """Plain ones, free keys, a key of the same batch, a held key, a known and an unknown parent, all at once."""
    plain, holder = new_job(), new_job(unique_key="held")
    await add(database, plain, holder)
    child, orphan = new_job(parent_id=plain.job_id), new_job(parent_id=uuid4())
    free, same, held = new_job(unique_key="free"), new_job(unique_key="free"), new_job(unique_key="held")
    both = new_job(unique_key="both", parent_id=plain.job_id)
    intake = await add(database, child, orphan, free, same, held, both)
    assert intake == Intake({same.job_id: free.job_id, held.job_id: holder.job_id}, frozenset({orphan.job_id}))
    assert await stored(database) == {each.job_id for each in (plain, holder, child, free, both)}


async def test_plain_jobs_cost_one_statement(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks for neither pays for neither."""
    statements = []
    run = UnitOfWork.run

    async def counted(self: UnitOfWork, statement: str, *parameters: object) -> object:
        statements.append(statement)
        return await run(self, statement, *parameters)

    monkeypatch.setattr(UnitOfWork, "run", counted)
    await add(database, new_job(), new_job(limit_key="shop"))
    assert len(statements) == 1


async def test_a_key_that_is_being_taken_is_waited_for(database: Database) -> None:
    """Of two transactions one has the key, and the other one learns who."""
    first, second = new_job(unique_key="one"), new_job(unique_key="one")
    async with database.transaction() as work:
        await IntakeStore(work).add([first], now=NOW)
        waiting = asyncio.create_task(add(database, second))
        await somebody_waits(database)
    assert (await waiting).holders == {second.job_id: first.job_id}


async def test_a_key_that_never_settles_is_given_up(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tries have an end, and nothing is committed."""
    await add(database, new_job(unique_key="one"))

    async def find_nobody(*_: object) -> dict[str, UUID]:
        return {}

    monkeypatch.setattr(IntakeStore, "_find_holders", find_nobody)
    with pytest.raises(UnsettledKeyError):
        await add(database, new_job(), new_job(unique_key="one"))
    assert len(await stored(database)) == 1


async def test_a_parent_that_is_being_removed_is_waited_for(database: Database) -> None:
    """Its child is told apart from the others of the batch, which are taken."""
    parent, other = new_job(), new_job()
    child = new_job(parent_id=parent.job_id)
    await add(database, parent)
    async with database.transaction() as work:
        await work.run("delete from jobs where job_id = $1", parent.job_id)
        waiting = asyncio.create_task(add(database, child, other))
        await somebody_waits(database)
    assert (await waiting).orphans == {child.job_id}
    assert await stored(database) == {other.job_id}
