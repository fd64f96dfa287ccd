"""A body in chunks taken apart as it arrives (RFC 9112, 7.1)."""

import re
from collections.abc import Callable
from enum import Enum, auto

_SIZE = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,15})[ \t]*(?:;|\r?\n\Z)")
_LONGEST_LINE = 16 * 1024


class BadChunkError(Exception):
    """What stands where a chunk should is none."""


class _Next(Enum):
    SIZE = auto()
    DATA = auto()
    DATA_END = auto()
    TRAILER = auto()
    NOTHING = auto()


class Chunks:
    """Hands on what the chunks hold; trailers are read over."""

    __slots__ = ("_left", "_next", "_rest", "_take")

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take = take
        self._next = _Next.SIZE
        self._left = 0
        self._rest = b""

    @property
    def is_whole(self) -> bool:
        """Whether the last chunk and the trailers have come."""
        return self._next is _Next.NOTHING

    def feed(self, data: bytes) -> None:
        """Take what has arrived.

        Raises:
            BadChunkError: it is no chunk.
        """
        data, position = self._rest + data, 0
        self._rest = b""
        while position < len(data) and not self.is_whole:
            if self._next is _Next.DATA:
                position = self._feed_data(data, position)
                continue
            end = data.find(b"\n", position) + 1
            if not end:
                self._rest = data[position:]
                break
            self._feed_line(data[position:end])
            position = end
        if len(self._rest) > _LONGEST_LINE:
            raise BadChunkError("a line among the chunks does not end")

    def _feed_data(self, data: bytes, position: int) -> int:
        piece = data[position : position + self._left]
        self._left -= len(piece)
        if not self._left:
            self._next = _Next.DATA_END
        self._take(piece)
        return position + len(piece)

    def _feed_line(self, line: bytes) -> None:
        is_empty = not line.strip()
        if self._next is _Next.SIZE:
            found = _SIZE.match(line)
            if found is None:
                raise BadChunkError("a chunk has no length")
            self._left = int(found[1], 16)
            self._next = _Next.DATA if self._left else _Next.TRAILER
        elif self._next is _Next.DATA_END:
            if not is_empty:
                raise BadChunkError("a chunk is longer than its length")
            self._next = _Next.SIZE
        elif is_empty:
            self._next = _Next.NOTHING
