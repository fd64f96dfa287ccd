"""Ends a database connection that sends more than a check can want, before it fills the worker's memory."""

import asyncio
from typing import Any, Self, cast

MAX_ANSWER_BYTES = 16_000_000
"""The most that one look may receive; ten thousand rows of a kilobyte fit in."""


class ByteMeter(asyncio.Protocol):
    """Stands between a transport and its protocol and counts what comes in.

    asyncpg gives no bound on an answer's size, and a cursor bounds rows but not their width.
    """

    def __init__(self, inner: asyncio.Protocol, transport: asyncio.Transport) -> None:
        self._inner = inner
        self._transport = transport
        self._received = 0

    @classmethod
    def attach(cls, connection: Any) -> Self:  # noqa: ANN401 - asyncpg's stubs do not show the two attributes.
        """Count from now on what an asyncpg connection receives."""
        transport = cast("asyncio.Transport", connection._transport)  # noqa: SLF001 - there is no public way; see tests.
        meter = cls(transport.get_protocol(), transport)  # type: ignore[arg-type]
        transport.set_protocol(meter)
        return meter

    @property
    def is_exceeded(self) -> bool:
        """Whether the connection was ended for its size."""
        return self._received > MAX_ANSWER_BYTES

    def data_received(self, data: bytes) -> None:
        """Count and hand on, or end the connection."""
        self._received += len(data)
        if self.is_exceeded:
            self._transport.abort()
        else:
            self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        """Hand on."""
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Hand on."""
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """Hand on."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Hand on."""
        self._inner.resume_writing()
