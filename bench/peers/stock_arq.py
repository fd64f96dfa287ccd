"""Stock ARQ workers: as they come, and tuned as far as settings go; with no row for a job, or one kept by the ORM."""

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import uvloop
from arq import create_pool

from bench.peers import jobs
from bench.peers.channels import STARTED
from bench.peers.naive import JobRow, new_session, redis_settings
from bench.peers.tally import tally


async def no_op(_ctx: dict[str, Any], argument: float = 0.0) -> None:
    """Do nothing."""
    jobs.no_op(argument)


async def hold(_ctx: dict[str, Any], argument: float) -> None:
    """Wait for the gate."""
    await jobs.hold(argument)


async def note_start(ctx: dict[str, Any]) -> None:
    """Tell when the job began."""
    await ctx["redis"].rpush(STARTED, str(time.time()))


async def run_row(_ctx: dict[str, Any], job_id: str) -> None:
    """Keep one row for the job: read, mark running, mark done, each committed."""
    began = time.time()
    async with new_session() as session:
        job = await session.get_one(JobRow, UUID(job_id))
        job.state, job.started_at = "running", datetime.now(UTC)
        await session.commit()
        job.state, job.result, job.finished_at = "succeeded", {"up": 1}, datetime.now(UTC)
        await session.commit()
    tally.note(began=began)


async def hush(_ctx: dict[str, Any]) -> None:
    """Log no line a job."""
    logging.getLogger("arq").setLevel(logging.WARNING)


# ARQ's command makes its loop after it has read the settings.
if os.environ.get("BENCH_UVLOOP"):
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())


class Default:
    """`arq bench.peers.stock_arq.Default`: what the documentation starts with."""

    functions = (no_op, note_start, run_row)
    redis_settings = redis_settings


class Tuned:
    """The settings that help: the delay between polls, jobs at once, no results, no line logged a job, uvloop."""

    functions = (no_op, hold, note_start, run_row)
    redis_settings = redis_settings
    on_startup = hush
    poll_delay = 0.01
    max_jobs = 100
    keep_result = 0
    job_timeout = float(os.environ.get("BENCH_ARQ_JOB_TIMEOUT", "300"))


@asynccontextmanager
async def open_queue() -> AsyncIterator[Callable[[str, float], Awaitable[Any]]]:
    """Yield what enqueues a job by its name and its argument."""
    redis = await create_pool(redis_settings)
    yield redis.enqueue_job
    await redis.aclose()
