"""The doorbell alone, without any database: `python -m bench.doorbell_queue` answers rings by doing nothing."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import uvloop
from arq.worker import func
from uuid_utils.compat import uuid4

from bench.peers import jobs
from shared.broker import connect_redis
from shared.domain.job.jobs import Ring
from shared.settings import Settings
from shared.task_queue import RUN_JOB, TaskQueue
from worker.doorbell import DoorbellWorker
from worker.main import tune_garbage_collection

QUEUE = "bench:doorbell"
SLOTS = 100
MICROSECONDS = 1_000_000


async def answer(_ctx: dict[str, Any], _job_id: str, dispatch_no: int) -> None:
    """Do nothing; the dispatch's number is the moment of submitting."""
    jobs.no_op(dispatch_no / MICROSECONDS)


@asynccontextmanager
async def open_queue() -> AsyncIterator[Callable[[str, float], Awaitable[Any]]]:
    """Yield what rings for a job; its name has no meaning without a row."""
    url = Settings().redis_url
    redis = connect_redis(url.get_secret_value() if url else "", max_connections=100)
    task_queue = TaskQueue(redis)

    async def enqueue(_: str, argument: float) -> None:
        await task_queue.ring([Ring(uuid4(), int(argument * MICROSECONDS), QUEUE)])

    yield enqueue
    await redis.aclose(close_connection_pool=True)


async def serve() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    url = Settings().redis_url
    redis = connect_redis(url.get_secret_value() if url else "")
    worker = DoorbellWorker([func(answer, name=RUN_JOB)], redis, queue=QUEUE, slots=SLOTS, context={})
    tune_garbage_collection()
    serving = asyncio.create_task(worker.serve())
    await stop.wait()
    worker.quiet()
    await serving
    await redis.aclose(close_connection_pool=True)


if __name__ == "__main__":
    uvloop.run(serve())
