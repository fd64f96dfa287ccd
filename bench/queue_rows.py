"""The rows of Tocsin's jobs, where a drain of it really ends, and the transactions that wrote them."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import asyncpg

from bench.harness import Servers

PATIENCE_SECONDS = 120.0
_PENDING = "select count(*) from jobs where finished_at is null"
_SPAN = """
    select extract(epoch from min(started_at))::float8 as began, extract(epoch from max(finished_at))::float8 as ended,
           count(*) filter (where state <> 'succeeded') as bad
    from jobs
"""


@asynccontextmanager
async def _connected(servers: Servers) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    connection = await asyncpg.connect(servers.database_url, timeout=10)
    try:
        yield connection
    finally:
        await connection.close()


async def clear_rows(servers: Servers) -> None:
    """Forget all jobs."""
    async with _connected(servers) as connection:
        await connection.execute("truncate jobs cascade", timeout=60)


async def wait_for_rows(servers: Servers) -> tuple[float, float]:
    """Wait until no job is pending; when the first was claimed and the last recorded (as that transaction began).

    Raises:
        TimeoutError: jobs are still pending after two minutes.
        RuntimeError: a job did not succeed.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    async with _connected(servers) as connection:
        while pending := await connection.fetchval(_PENDING):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{pending} jobs of Tocsin were not done in time")
            await asyncio.sleep(0.1)
        row = await connection.fetchrow(_SPAN)
    if row is None or row["bad"]:
        raise RuntimeError(f"not all jobs succeeded: {row}")
    return row["began"], row["ended"]


async def written_transactions(servers: Servers) -> int:
    """How many transactions wrote something since the server was made: each takes the next id, and no reader does."""
    async with _connected(servers) as connection:
        query = "select pg_snapshot_xmax(pg_current_snapshot())::text::int8"
        return cast("int", await connection.fetchval(query))
