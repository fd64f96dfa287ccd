"""The body of an answer as it is kept: inflated, and cut at a limit."""

import zlib
from collections.abc import Mapping
from typing import Protocol


class BadEncodingError(Exception):
    """The body cannot be inflated."""


class _Inflating(Protocol):
    @property
    def eof(self) -> bool: ...

    def decompress(self, data: bytes, max_length: int = 0, /) -> bytes: ...


_NO_CODINGS = frozenset({"identity", "none"})
_WINDOW_OF: Mapping[str, int] = {"gzip": zlib.MAX_WBITS + 16, "x-gzip": zlib.MAX_WBITS + 16, "deflate": zlib.MAX_WBITS}
"""How zlib is to read each content coding (RFC 9110, 8.4.1)."""


class Body:
    """What was read of a body; `is_truncated` once there was more than the limit, which is counted after inflating."""

    __slots__ = ("_chunks", "_coding", "_inflating", "_limit", "is_truncated", "size")

    def __init__(self, coding: str, *, limit: int) -> None:
        self._coding = "" if coding in _NO_CODINGS else coding
        self._limit = limit
        self._inflating: _Inflating | None = None
        self._chunks: list[bytes] = []
        self.size = 0
        self.is_truncated = False

    @property
    def content(self) -> bytes:
        """What was kept."""
        return b"".join(self._chunks)

    def take(self, piece: bytes) -> None:
        """Take the next piece as it was sent.

        Raises:
            BadEncodingError: it is in no coding that was asked for, or broken.
        """
        room = self._limit - self.size
        plain = self._inflate(piece, most=room + 1) if self._coding else piece
        if len(plain) > room:
            plain, self.is_truncated = plain[:room], True
        self._chunks.append(plain)
        self.size += len(plain)

    def _inflate(self, piece: bytes, *, most: int) -> bytes:
        if self._inflating is None:
            self._inflating = self._begin(piece)
        if self._inflating.eof:
            # What comes after the end of a compressed stream belongs to nothing.
            return b""
        try:
            return self._inflating.decompress(piece, most)
        except zlib.error as error:
            raise BadEncodingError(str(error)) from error

    def _begin(self, piece: bytes) -> _Inflating:
        window = _WINDOW_OF.get(self._coding)
        if window is None:
            raise BadEncodingError(f"{self._coding[:40]} was not asked for")
        # Many servers send `deflate` without zlib's header, which begins with 8 in its lower half (RFC 1950, 2.2).
        is_bare = self._coding == "deflate" and piece[0] & 0x0F != zlib.DEFLATED
        return zlib.decompressobj(-zlib.MAX_WBITS if is_bare else window)
