"""taskiq on Redis streams, without results: `taskiq worker bench.peers.taskiq_queue:broker`."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from taskiq_redis import RedisStreamBroker

from bench.peers import jobs

broker = RedisStreamBroker(
    url=f"unix://{os.environ['BENCH_REDIS_SOCKET']}",
    idle_timeout=int(os.environ.get("BENCH_TASKIQ_IDLE_MS", "600000")),
    unacknowledged_lock_timeout=10,
)


@broker.task
async def no_op(argument: float) -> None:
    """Do nothing."""
    jobs.no_op(argument)


@broker.task
async def hold(argument: float) -> None:
    """Wait for the gate."""
    await jobs.hold(argument)


@asynccontextmanager
async def open_queue() -> AsyncIterator[Callable[[str, float], Awaitable[Any]]]:
    """Yield what enqueues a job by its name and its argument."""
    await broker.startup()
    tasks = {"no_op": no_op, "hold": hold}

    async def enqueue(name: str, argument: float) -> None:
        await tasks[name].kiq(argument)

    yield enqueue
    await broker.shutdown()
