"""Ending tasks for good, also those that a library keeps from hearing their first cancel."""

import asyncio

from shared.tasks import end_tasks


async def test_a_swallowed_cancel_is_repeated() -> None:
    """A task that goes on after its first cancel ends by the second."""
    heard = 0

    async def go_on() -> None:
        nonlocal heard
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                heard += 1
                if heard > 1:
                    raise

    task = asyncio.create_task(go_on())
    await asyncio.sleep(0)
    await end_tasks([task])
    assert (task.cancelled(), heard) == (True, 2)


async def test_what_has_ended_already_is_let_be() -> None:
    """Nothing to end, and a task that failed by itself, are no error."""

    async def fail() -> None:
        raise ValueError

    failed = asyncio.create_task(fail())
    await asyncio.wait([failed])
    await end_tasks([failed])
    await end_tasks([])
    assert isinstance(failed.exception(), ValueError)
