"""Tocsin's own queue for the producer: jobs are submitted as the API submits them, and are then committed."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from uuid_utils.compat import uuid7

from shared.clock import utc_now
from shared.domain.job.jobs import JobKind, NewJob
from shared.services.job.job_submission import Submission
from shared.settings import Settings
from shared.wiring import ProcessContext


def new_job(name: str, argument: float) -> NewJob:
    """A job whose work `bench.no_op_worker` does."""
    spec = msgspec.json.encode({"channel": {}, name: argument}).decode()
    return NewJob(uuid7(), JobKind.NOTIFY, spec, utc_now(), max_attempts=10, principal_id="bench")


@asynccontextmanager
async def open_queue() -> AsyncIterator[Callable[[str, float], Awaitable[Any]]]:
    """Yield what submits a job by its name and its argument."""
    context = ProcessContext.open(Settings(), name=f"bench producer {os.getpid()}")

    async def enqueue(name: str, argument: float) -> None:
        await context.submission.submit(Submission(new_job(name, argument)))

    yield enqueue
    await context.doorbell.drain()
    await context.close()
