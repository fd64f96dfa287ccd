"""Stock ARQ workers: as they come, and tuned as far as settings go; with no row for a job, or one kept by the ORM."""

import json
import os
import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from arq.worker import func

from bench.peers.naive import JobRow, new_session, redis_settings

DRAINED = "bench:drained"
"""The list on which a worker tells when the first of a run's jobs began and the last one ended."""

_expected = int(os.environ.get("BENCH_JOBS", "0"))
_done: list[float] = []


async def no_op(ctx: dict[str, Any], sent_at: float | None = None) -> None:
    """Do nothing; where the moment of sending is told, tell how long the job lay."""
    now = time.time()
    if sent_at is not None:
        await ctx["redis"].rpush(DRAINED, json.dumps([sent_at, now]))
    else:
        await _count(ctx, now)


async def run_row(ctx: dict[str, Any], job_id: str) -> None:
    """Keep one row for the job: read, mark running, mark done, each committed."""
    began = time.time()
    async with new_session() as session:
        job = await session.get_one(JobRow, UUID(job_id))
        job.state, job.started_at = "running", datetime.now(UTC)
        await session.commit()
        job.state, job.result, job.finished_at = "succeeded", {"up": 1}, datetime.now(UTC)
        await session.commit()
    await _count(ctx, began)


async def _count(ctx: dict[str, Any], began: float) -> None:
    _done.append(began)
    if _expected and len(_done) == _expected:
        await ctx["redis"].rpush(DRAINED, json.dumps([min(_done), time.time()]))
        _done.clear()


class Default:
    """`arq bench.peers.stock_arq.Default`: what the documentation starts with."""

    functions = (no_op, run_row)
    redis_settings = redis_settings


class Tuned:
    """The settings that help, see the reference measurements of ARQ's tuning ladder."""

    functions = (func(no_op, keep_result=0), func(run_row, keep_result=0))
    redis_settings = redis_settings
    poll_delay = 0.01
    max_jobs = 100
    keep_result = 0
