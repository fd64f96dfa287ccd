"""Monitors collected by real worker processes: each slot once, also when one of them is killed."""

import asyncio
import os
import signal
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from redis.asyncio import Redis
from schedule_bench import SECOND, watch
from worker_site import worker_process

from shared.clock import utc_now
from shared.domain.monitor.coverage import Coverage, CoverageOrder
from shared.services.monitor.coverage import CoverageService
from shared.storage.database import Database, create_engine
from shared.storage.monitor.coverage_store import CoverageQuestion
from shared.storage.monitor.monitor_filter import MonitorFilter

MONITORS = 20
PATIENCE_SECONDS = 120
EVERYTHING = CoverageQuestion(MonitorFilter(), None, CoverageOrder.WORST, None, 100)


async def covered(database: Database) -> tuple[Coverage, list[int]]:
    """The slots of all monitors, and how many each one has."""
    service = CoverageService(database, clock=utc_now)
    answer, _ = await service.read(EVERYTHING, window=timedelta(hours=1))
    return answer.total, [item.coverage.expected for item in answer.items]


async def until_collected(database: Database, slots: int) -> None:
    """Wait until so many slots have a sample."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (await covered(database))[0].on_time < slots:  # noqa: ASYNC110 - a figure rings no bell
            await asyncio.sleep(0.2)


@pytest.mark.timeout(300)
async def test_every_slot_is_accounted_for_when_a_worker_is_killed(
    fresh_database_url: str, redis: Redis, redis_url: str, short_dir: Path
) -> None:
    """Two workers share the slots, one dies in the middle: what it held the other collects, or it is missed."""
    watched = short_dir / "watched"
    watched.write_text("x")
    database = Database(create_engine(fresh_database_url, pool_size=4, name="tests"))
    target = f'{{"kind": "file", "path": "{watched}"}}'
    await watch(database, MONITORS, interval=SECOND)
    async with database.transaction() as work:
        await work.run("update series set kind = 'file'")
        await work.run("update monitors set kind = 'file', target = $1::text, shown = $1::text::jsonb", target)
    async with AsyncExitStack() as stack:
        settings = {"TOCSIN_FILE_ROOTS": str(short_dir)}
        first, _ = [
            await stack.enter_async_context(worker_process(fresh_database_url, redis_url, **settings)) for _ in range(2)
        ]
        await until_collected(database, 5 * MONITORS)
        os.kill(first.pid, signal.SIGKILL)
        await until_collected(database, 10 * MONITORS)
        total, each = await covered(database)
    # A slot begins for each monitor in each second: however they ended, all have had as many, to within one turn.
    assert max(each) - min(each) <= 1
    assert total.error == 0
    await database.close()
