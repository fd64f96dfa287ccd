"""One answer of HTTP/1 read as it arrives; no sockets, no clock."""

import pycurl

from shared.transport.http_body import BadEncodingError, Body
from shared.transport.http_chunks import BadChunkError, Chunks
from shared.transport.http_head import HEAD_END, Head, read_head

MOST_HEAD_BYTES = 300 * 1024
LONGEST_LINE = 100 * 1024
"""The bounds that libcurl has, too: of the heads of an answer together, and of one line of them."""

_BEGINNING = b"HTTP/1."
_WITHOUT_BODY = frozenset({204, 304})
_FINAL = 200
_SWITCHED = 101


class BrokenAnswerError(Exception):
    """What came is no answer: with libcurl's code for it (`pycurl.E_…`), and what is wrong."""

    def __init__(self, code: int, said: str) -> None:
        super().__init__(said)
        self.code = code
        self.said = said


class AnswerReader:
    """Reads what a connection brings until the answer `is_whole` or its body is cut; 1xx are read over."""

    __slots__ = ("_body", "_chunks", "_head_bytes", "_is_head", "_left", "_limit", "_raw", "head", "is_whole")

    def __init__(self, *, is_head: bool, limit: int) -> None:
        self._is_head = is_head
        self._limit = limit
        self._raw = b""
        self._head_bytes = 0
        self._left: int | None = None
        self._chunks: Chunks | None = None
        self._body: Body | None = None
        self.head: Head | None = None
        self.is_whole = False

    @property
    def body(self) -> bytes:
        """What was read of the body, inflated."""
        return b"" if self._body is None else self._body.content

    @property
    def is_truncated(self) -> bool:
        """Whether there was more than the limit."""
        return self._body is not None and self._body.is_truncated

    @property
    def is_done(self) -> bool:
        """Whether nothing more is wanted of the connection."""
        return self.is_whole or self.is_truncated

    def feed(self, data: bytes) -> None:
        """Take what has arrived.

        Raises:
            BrokenAnswerError: it is no answer.
        """
        try:
            data = data if self.head is not None else self._feed_head(data)
            if data and not self.is_whole:
                self._feed_body(data)
        except BadEncodingError as error:
            raise BrokenAnswerError(pycurl.E_BAD_CONTENT_ENCODING, str(error)) from error
        except BadChunkError as error:
            raise BrokenAnswerError(pycurl.E_RECV_ERROR, str(error)) from error

    def _feed_head(self, data: bytes) -> bytes:
        """Read on until the head that counts has come; what is left belongs to the body."""
        searched = max(0, len(self._raw) - _LONGEST_END)
        data = self._raw + data
        while end := HEAD_END.search(data, searched):
            raw, data = data[: end.start()], data[end.end() :]
            searched = 0
            self._begin(raw)
            if self.head is not None:
                return data
        self._raw = data
        self._check_unfinished()
        return b""

    def close(self) -> None:
        """The other side has closed the connection.

        Raises:
            BrokenAnswerError: in the middle of the answer.
        """
        if self.head is None:
            if self._raw:
                raise BrokenAnswerError(pycurl.E_FTP_WEIRD_SERVER_REPLY, "it ended within the headers")
            raise BrokenAnswerError(pycurl.E_GOT_NOTHING, "")
        if self._left or (self._chunks is not None and not self._chunks.is_whole):
            missing = f"{self._left} bytes are missing" if self._left else "the last chunk is missing"
            raise BrokenAnswerError(pycurl.E_PARTIAL_FILE, missing)
        self.is_whole = True

    def _check_unfinished(self) -> None:
        """Refuse what will be no head, however it goes on."""
        length = len(_BEGINNING)
        if self._raw[:length].upper() != _BEGINNING[: len(self._raw)]:
            raise BrokenAnswerError(pycurl.E_FTP_WEIRD_SERVER_REPLY, "it does not begin with HTTP/1")
        self._check_length(len(self._raw), len(self._raw) - self._raw.rfind(b"\n"))

    def _check_length(self, length: int, line: int) -> None:
        if self._head_bytes + length > MOST_HEAD_BYTES:
            raise BrokenAnswerError(_TOO_LARGE, f"more than {MOST_HEAD_BYTES} bytes")
        if line > LONGEST_LINE:
            raise BrokenAnswerError(_TOO_LARGE, f"a line of more than {LONGEST_LINE} bytes")

    def _begin(self, raw: bytes) -> None:
        self._check_length(len(raw), max(map(len, raw.split(b"\n"))) if len(raw) > LONGEST_LINE else 0)
        self._head_bytes += len(raw)
        head = read_head(raw)
        if head is None:
            raise BrokenAnswerError(pycurl.E_FTP_WEIRD_SERVER_REPLY, "its headers cannot be read")
        if head.status >= _FINAL or head.status == _SWITCHED:
            self.head = head
            self._frame(head)

    def _frame(self, head: Head) -> None:
        """Find out where the body ends (RFC 9112, 6.3)."""
        if self._is_head or head.status in _WITHOUT_BODY:
            self.is_whole = True
            return
        headers = head.headers
        self._body = Body(headers.get("content-encoding", "").lower(), limit=self._limit)
        codings = {part.strip() for part in headers.get("transfer-encoding", "identity").lower().split(",")}
        if codings == {"identity"}:
            self._left = _length_of(headers.get("content-length"))
            self.is_whole = self._left == 0
        elif codings == {"chunked"}:
            self._chunks = Chunks(self._body.take)
        else:
            raise BrokenAnswerError(pycurl.E_BAD_CONTENT_ENCODING, "a transfer coding was not asked for")

    def _feed_body(self, data: bytes) -> None:
        if self._chunks is not None:
            self._chunks.feed(data)
            self.is_whole = self._chunks.is_whole
        elif self._body is not None:
            piece = data if self._left is None else data[: self._left]
            self._body.take(piece)
            if self._left is not None:
                self._left -= len(piece)
                self.is_whole = not self._left


_LONGEST_END = 2
_MOST_DIGITS = 18
_TOO_LARGE = 100
"""libcurl's CURLE_TOO_LARGE, which pycurl has no name for."""


def _length_of(said: str | None) -> int | None:
    """The length announced, said once or several times alike; None when none is."""
    if said is None:
        return None
    one, *others = {part.strip() for part in said.split(",")}
    if others or not (one.isascii() and one.isdecimal()):
        raise BrokenAnswerError(pycurl.E_FTP_WEIRD_SERVER_REPLY, "its length cannot be read")
    # As libcurl has it: what does not fit into 64 bits is not waited for.
    return int(one) if len(one) <= _MOST_DIGITS else None
