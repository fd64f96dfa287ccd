"""SAQ: `saq bench.peers.saq_queue.settings`, on uvloop, a hundred jobs at once, stuck jobs swept each second."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import uvloop
from redis.asyncio import Redis
from saq.queue.redis import RedisQueue

from bench.peers import jobs

# SAQ's command makes its loop after it has read the settings.
asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
# A hundred jobs at once wait on a hundred connections, which is all that redis-py would open.
queue = RedisQueue(Redis(unix_socket_path=os.environ["BENCH_REDIS_SOCKET"], max_connections=1000))
STUCK_SECONDS = 5


async def no_op(_: dict[str, Any], *, argument: float) -> None:
    """Do nothing."""
    jobs.no_op(argument)


async def hold(_: dict[str, Any], *, argument: float) -> None:
    """Wait for the gate."""
    await jobs.hold(argument)


settings = {"queue": queue, "functions": [no_op, hold], "concurrency": 100, "timers": {"sweep": 1}}


@asynccontextmanager
async def open_queue() -> AsyncIterator[Callable[[str, float], Awaitable[Any]]]:
    """Yield what enqueues a job by its name and its argument."""
    await queue.connect()

    async def enqueue(name: str, argument: float) -> None:
        await queue.enqueue(name, argument=argument, timeout=STUCK_SECONDS, retries=5, ttl=-1)

    yield enqueue
    await queue.disconnect()
