"""Request bodies within their bound, also when their length was not said before."""

import asyncio
from contextlib import suppress

from starlette.types import Message, Receive

from api.gate import body_too_large

DRAIN_BYTES = 64 * 1024 * 1024
DRAIN_SECONDS = 5.0


class BoundedBody:
    """A `receive` that refuses more than `max_body_bytes`."""

    def __init__(self, receive: Receive, max_body_bytes: int) -> None:
        self._receive = receive
        self._max_body_bytes = max_body_bytes
        self._read_bytes = 0
        self._is_whole = False

    async def __call__(self) -> Message:
        """The next part of the body.

        Raises:
            ProblemError: the body has grown larger than the bound.
        """
        message = await self._receive()
        if message["type"] == "http.request":
            self._note(message)
            if self._read_bytes > self._max_body_bytes:
                raise body_too_large(self._max_body_bytes)
        return message

    async def drain(self) -> None:
        """Read and drop what the client still sends, within bounds.

        A client that only sends would otherwise meet a closed connection before it reads why it was refused.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                while not self._is_whole and self._read_bytes < DRAIN_BYTES:
                    self._note(await self._receive())

    def _note(self, message: Message) -> None:
        self._read_bytes += len(message.get("body", b""))
        self._is_whole = message["type"] != "http.request" or not message.get("more_body", False)
