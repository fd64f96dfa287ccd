"""Statements that take long are told of, and nothing of what they were asked with."""

import asyncpg
import pytest
import structlog
from prometheus_client import REGISTRY

from shared.storage.database import Database, create_engine
from shared.storage.errors import StorageUnavailableError

SLOW = """
    select pg_sleep(0.03),
           $1::text as secret
"""


@pytest.fixture
async def watched(database_url: str) -> Database:
    """A database whose statements of 20 ms are slow."""
    database = Database(create_engine(database_url, pool_size=2, name="tests"), slow_query_ms=20)
    yield database
    await database.close()


def counted() -> float:
    return REGISTRY.get_sample_value("tocsin_slow_queries_total") or 0.0


@pytest.mark.parametrize("way", ["transaction", "writing", "reading"])
async def test_a_slow_statement_is_logged_in_one_line_with_whose_it_was(watched: Database, way: str) -> None:
    """Its text without the values, how long it took, the rows, and the job at hand; a fast one is not."""
    before = counted()
    with (
        structlog.contextvars.bound_contextvars(job_id="the-job"),
        structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines,
    ):
        async with getattr(watched, way)() as work:
            await work.fetch("select $1::text", "fast")
            await work.fetch(SLOW, "hunter2")
    assert counted() - before == 1
    (line,) = lines
    assert line.pop("ms") >= 20
    assert line == {
        "event": "slow_query",
        "log_level": "warning",
        "statement": "select pg_sleep(0.03), $1::text as secret",
        "rows": 1,
        "job_id": "the-job",
    }


async def doze(database: Database) -> None:
    async with database.reading() as reader:
        await reader.fetch("set statement_timeout = '40ms'")
        await reader.fetch("select pg_sleep(30)")


async def test_a_statement_that_was_given_up_is_logged_too(watched: Database) -> None:
    """What ran into its time-out is what one looks for."""
    with (
        structlog.testing.capture_logs() as lines,
        pytest.raises((StorageUnavailableError, asyncpg.QueryCanceledError)),
    ):
        await doze(watched)
    assert [(line["statement"], line["rows"]) for line in lines] == [("select pg_sleep(30)", None)]


async def test_with_the_bound_at_zero_nothing_is_logged(database: Database) -> None:
    """Zero turns it off."""
    with structlog.testing.capture_logs() as lines:
        async with database.transaction() as work:
            await work.fetch(SLOW, "")
    assert lines == []
