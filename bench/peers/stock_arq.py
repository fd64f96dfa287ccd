"""Stock ARQ workers: as they come, and tuned as far as settings go; with no row for a job, or one kept by the ORM."""

import asyncio
import json
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from bench.peers.channels import STARTED
from bench.peers.naive import JobRow, new_session, redis_settings

TELL_SECONDS = 0.2
_told = Path(os.environ["BENCH_TOLD"])


@dataclass
class Tally:
    """What this process did since it last told: how many jobs, when the first began and the last ended."""

    count: int = 0
    first: float = 0.0
    last: float = 0.0

    def add(self, began: float) -> None:
        """Count a job that ends now."""
        self.first = self.first if self.count else began
        self.last = time.time()
        self.count += 1


tally = Tally()


async def no_op(_ctx: dict[str, Any]) -> None:
    """Do nothing."""
    tally.add(time.time())


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
    tally.add(began)


async def start(ctx: dict[str, Any]) -> None:
    """Begin to tell."""
    ctx["teller"] = asyncio.create_task(_keep_telling())


async def _keep_telling() -> None:
    """Tell the tally whenever it has stood still for a while, which costs the jobs nothing."""
    while True:
        seen = tally.count
        await asyncio.sleep(TELL_SECONDS)
        if seen and tally.count == seen:
            _tell({"count": tally.count, "first": tally.first, "last": tally.last})
            tally.count = 0


def _tell(line: dict[str, float]) -> None:
    with _told.open("a") as file:
        file.write(json.dumps(line) + "\n")


class Default:
    """`arq bench.peers.stock_arq.Default`: what the documentation starts with."""

    functions = (no_op, note_start, run_row)
    redis_settings = redis_settings
    on_startup = start


class Tuned:
    """The settings that help: the delay between polls, jobs at once, and no results kept."""

    functions = (no_op, note_start, run_row)
    redis_settings = redis_settings
    on_startup = start
    poll_delay = 0.01
    max_jobs = 100
    keep_result = 0
