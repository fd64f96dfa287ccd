"""The callbacks of one transfer of libcurl: they check each dial and bound what is read."""

import socket
from collections.abc import Callable
from typing import Any

import pycurl

from shared.domain.target.egress import Denied
from shared.transport.dialling import Dialler
from shared.transport.http_head import read_headers

_GO_ON: int = pycurl.PREREQFUNC_OK


class _HandedSocket(socket.SocketType):
    """A socket of which libcurl takes a duplicate, so that ours is closed as soon as it is dropped.

    Without the conveniences of `socket.socket` it takes half the time to make.
    """

    __slots__ = ()

    def __del__(self) -> None:
        self.close()


class Transfer:
    """The callbacks of one hop; none of them raises, since libcurl could only print that."""

    __slots__ = ("_chunks", "_dialler", "_limit", "_opened", "denial", "is_truncated", "lines", "own_errno", "size")

    def __init__(self, dialler: Dialler, *, limit: int, opened: Callable[[], None]) -> None:
        self._dialler = dialler
        self._limit = limit
        self._opened = opened
        self._chunks: list[bytes] = []
        self.lines: list[bytes] = []
        self.size = 0
        self.is_truncated = False
        self.denial: Denied | None = None
        self.own_errno = 0

    @property
    def body(self) -> bytes:
        """What was read, inflated, up to the limit."""
        return b"".join(self._chunks)

    def write(self, chunk: bytes) -> int | None:
        """Take a piece of the inflated body; what goes beyond the limit ends the transfer."""
        room = self._limit - self.size
        if len(chunk) <= room:
            self._chunks.append(chunk)
            self.size += len(chunk)
            return None
        self._chunks.append(chunk[:room])
        self.size = self._limit
        self.is_truncated = True
        return 0

    def open_socket(self, _purpose: int, address: Any) -> Any:  # noqa: ANN401 - pycurl's own tuple; a socket, or its number for none.
        """Make the socket for an address about to be dialled, or refuse it."""
        decision = self._dialler.decide(address.addr[0], address.addr[1])
        if isinstance(decision, Denied):
            self.denial = decision
            return pycurl.SOCKET_BAD
        try:
            return _HandedSocket(address.family, address.socktype, address.protocol)
        except OSError as error:
            self.own_errno = error.errno or 0
            return pycurl.SOCKET_BAD

    def before_request(self, *_ends: object) -> int:
        """Note that the connection stands, TLS included."""
        self._opened()
        return _GO_ON

    def headers(self) -> dict[str, str]:
        """The headers of the last answer (those of 1xx come before it), in lower case, repeated ones joined."""
        heads = [number for number, line in enumerate(self.lines) if line[:5].lower() == b"http/"]
        lines = self.lines[heads[-1] + 1 :] if heads else []
        return read_headers(b"".join(lines).decode("utf-8", "replace").split("\n"))
