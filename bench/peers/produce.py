"""A producer: `python -m bench.peers.produce <module> fill|lone|steady|hold <count> [<rate>]` puts jobs into a queue.

The module's `open_queue` yields what enqueues a job; it is imported from the environment this runs in.
"""

import asyncio
import random
import sys
import time
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any

import uvloop

Enqueue = Callable[[str, float], Awaitable[Any]]
AT_ONCE = 100
LONE_GAP_SECONDS = (0.005, 0.025)


async def fill(enqueue: Enqueue, count: int, _: float) -> None:
    """As fast as the queue takes them."""
    for first in range(0, count, AT_ONCE):
        await asyncio.gather(*(enqueue("no_op", 0.0) for _ in range(min(AT_ONCE, count - first))))


async def lone(enqueue: Enqueue, count: int, _: float) -> None:
    """One at a time at random gaps, so that the workers idle in between."""
    for _number in range(count):
        await asyncio.sleep(random.uniform(*LONE_GAP_SECONDS))
        await enqueue("no_op", time.time())


async def steady(enqueue: Enqueue, count: int, rate: float) -> None:
    """`rate` jobs a second, each at its own moment, none waiting for the one before."""
    began = time.time()
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            await asyncio.sleep(max(0.0, began + number / rate - time.time()))
            group.create_task(_enqueue_now(enqueue))


async def _enqueue_now(enqueue: Enqueue) -> None:
    await enqueue("no_op", time.time())


async def hold(enqueue: Enqueue, count: int, _: float) -> None:
    """Jobs that are held until their gate is gone."""
    for number in range(count):
        await enqueue("hold", float(number))


async def main(module: str, action: str, count: int, rate: float) -> None:
    async with import_module(module).open_queue() as enqueue:
        await {"fill": fill, "lone": lone, "steady": steady, "hold": hold}[action](enqueue, count, rate)


if __name__ == "__main__":
    name, what, how_many, *how_fast = sys.argv[1:]
    uvloop.run(main(name, what, int(how_many), float(how_fast[0]) if how_fast else 0.0))
