"""Ending tasks for good."""

import asyncio
from collections.abc import Iterable
from typing import Any

import structlog

CANCEL_TRIES = 5
CANCEL_SECONDS = 2.0
"""How often, and how long each time, a task is asked to end before it is left behind."""

_log = structlog.get_logger()


async def end_tasks(tasks: "Iterable[asyncio.Task[Any]]") -> None:
    """Cancel until all have ended, whatever they end with.

    One cancel may not do: on Python before 3.11.3 redis-py's time-outs swallow it when their wait ends at that moment.
    """
    pending = set(tasks)
    for _ in range(CANCEL_TRIES):
        for task in pending:
            task.cancel()
        if pending:
            _, pending = await asyncio.wait(pending, timeout=CANCEL_SECONDS)
    if pending:
        _log.warning("tasks_left", tasks=sorted(task.get_name() for task in pending))
