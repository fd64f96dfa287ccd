"""What a stream needs of its connection: that it was left, and to break it off when nothing can be sent."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from starlette.types import Message, Receive, Send

ABORT = "tocsin.abort"
"""Where a scope keeps what breaks its connection off; see `api.connections`."""

WRITE_SECONDS = 10.0
"""How long one write may take: the client reads nothing, or its line is dead."""

GONE_SECONDS = 1.0


class BlockedError(Exception):
    """The client does not read."""


async def write(send: Send, message: Message) -> None:
    """Send a message.

    Raises:
        BlockedError: the client took nothing for too long.
    """
    try:
        async with asyncio.timeout(WRITE_SECONDS):
            await send(message)
    except TimeoutError:
        raise BlockedError from None


def watch(receive: Receive, bell: asyncio.Event, *, left: str) -> "asyncio.Task[None]":
    """A task that ends when the client leaves, by the message of this type, and rings the bell then."""

    async def wait() -> None:
        while (await receive())["type"] != left:
            pass

    task = asyncio.create_task(wait())
    task.add_done_callback(lambda _: bell.set())
    return task


def breaker_of(scope: Mapping[str, Any]) -> Callable[[], None]:
    """What breaks the connection off at once, without sending what waits."""
    found: Callable[[], None] = scope.get(ABORT, lambda: None)
    return found


async def break_off(scope: Mapping[str, Any], gone: "asyncio.Task[None]") -> None:
    """End a connection without sending anything more, since that would have to wait."""
    breaker_of(scope)()
    with suppress(TimeoutError):
        async with asyncio.timeout(GONE_SECONDS):
            await asyncio.shield(gone)
