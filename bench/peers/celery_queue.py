"""Celery, without results: `celery -A bench.peers.celery_queue worker`."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from celery import Celery

from bench.peers import jobs

app = Celery("bench", broker=f"redis+socket://{os.environ['BENCH_REDIS_SOCKET']}")
app.conf.task_ignore_result = True
app.conf.broker_connection_retry_on_startup = True
if visible := os.environ.get("BENCH_CELERY_VISIBILITY"):
    # The documented way to have a lost worker's jobs again: acknowledge late, make them visible, look each second.
    app.conf.task_acks_late = True
    app.conf.broker_transport_options = {
        "visibility_timeout": int(visible),
        "unacked_restore_interval": 1,
        "unacked_restore_throttle": 1,
    }


@app.task
def no_op(argument: float) -> None:
    """Do nothing."""
    jobs.no_op(argument)


@app.task
def hold(argument: float) -> None:
    """Wait for the gate."""
    jobs.hold_blocking(argument)


@asynccontextmanager
async def open_queue() -> AsyncIterator[Callable[[str, float], Awaitable[Any]]]:
    """Yield what enqueues a job by its name and its argument; Celery's client blocks."""
    tasks = {"no_op": no_op, "hold": hold}

    async def enqueue(name: str, argument: float) -> None:
        tasks[name].delay(argument)
        await asyncio.sleep(0)

    yield enqueue
