"""One connection of a plain exchange: what its socket's events come to, and when."""

import asyncio
import errno
import select
import socket
import time
from collections.abc import Callable

from shared.transport.http_answer import AnswerReader, BrokenAnswerError

READ_BYTES = 64 * 1024

# The bits of `epoll` that are those of `poll` are told by the names that every Unix has.
_FAILED = select.POLLERR | select.POLLHUP
_READABLE = select.POLLIN | getattr(select, "EPOLLRDHUP", 0) | _FAILED


class PlainExchange:
    """Asks by one socket and reads the answer; `ended` is done when there is nothing more to wait for.

    It is told of its socket's events once each (edge-triggered), so it reads and writes until the kernel has enough.
    Moments are those of `time.perf_counter`, 0 where they were not reached.
    """

    __slots__ = (
        "_connection", "_opened", "_unsent", "answered_at", "broken", "connected_at", "ended", "ended_at", "errno",
        "reader", "started_at",
    )  # fmt: skip

    def __init__(
        self, connection: socket.socket, question: bytes, *, reader: AnswerReader, opened: Callable[[], None]
    ) -> None:
        """Make it; `opened` is called when the connection stands."""
        self._connection = connection
        self._unsent = question
        self._opened = opened
        self.reader = reader
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.started_at = self.connected_at = self.answered_at = self.ended_at = 0.0
        self.errno = 0
        self.broken: BrokenAnswerError | None = None

    def dial(self, address: str, port: int) -> None:
        """Begin to connect.

        Raises:
            OSError: it cannot even be begun.
        """
        self.started_at = time.perf_counter()
        code = self._connection.connect_ex((address, port))
        if code not in (0, errno.EINPROGRESS):
            raise OSError(code, "connect")

    def end(self) -> None:
        """Nothing more is waited for; the connection is closed."""
        if not self.ended.done():
            self.ended_at = time.perf_counter()
            self.ended.set_result(None)
        self._connection.close()

    def on_event(self, events: int) -> None:
        """Something has happened to the socket."""
        if self.ended.done():
            return
        try:
            if not self.connected_at:
                self._connect(events)
            if self._unsent:
                self._send()
            if events & _READABLE:
                self._read()
        except OSError as error:
            self.errno = error.errno or errno.EIO
            self.end()
        except BrokenAnswerError as error:
            self.broken = error
            self.end()

    def _connect(self, events: int) -> None:
        if events & _FAILED and (code := self._connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)):
            raise OSError(code, "connect")
        self.connected_at = time.perf_counter()
        self._opened()

    def _send(self) -> None:
        try:
            sent = self._connection.send(self._unsent)
        except BlockingIOError:
            return
        except BrokenPipeError:
            # It may have answered before it stopped to listen, as with 413: reading tells.
            sent = len(self._unsent)
        self._unsent = self._unsent[sent:]

    def _read(self) -> None:
        """Read once, and again when the others have had their turn: a torrent of tiny pieces holds up nobody."""
        if self.ended.done():
            return
        try:
            data = self._connection.recv(READ_BYTES)
        except BlockingIOError:
            return
        if data:
            self.answered_at = self.answered_at or time.perf_counter()
            self.reader.feed(data)
        else:
            self.reader.close()
        if self.reader.is_done:
            self.end()
        else:
            self.ended.get_loop().call_soon(self.on_event, select.POLLIN)
