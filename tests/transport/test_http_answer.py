"""Answers of HTTP/1 are read as they arrive, however they are cut, and as generously as libcurl reads them."""

import gzip
import zlib
from contextlib import suppress
from itertools import pairwise

import pycurl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.transport.http_answer import MOST_HEAD_BYTES, AnswerReader, BrokenAnswerError

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
HELLO = b"hello, hello, hello"


def bare_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


def read(raw: bytes, *, cuts: tuple[int, ...] = (), is_head: bool = False, limit: int = 1000) -> AnswerReader:
    """Feed an answer in pieces, then close the connection."""
    reader = AnswerReader(is_head=is_head, limit=limit)
    places = [0, *sorted({cut % (len(raw) + 1) for cut in cuts}), len(raw)]
    for start, end in pairwise(places):
        if end > start and not reader.is_done:
            reader.feed(raw[start:end])
    if not reader.is_done:
        reader.close()
    return reader


def feed_often(reader: AnswerReader, piece: bytes, *, times: int) -> None:
    for _ in range(times):
        reader.feed(piece)


WHOLE = {
    "length": (OK + b"Content-Length: 5\r\n\r\nhello", b"hello"),
    "more than its length": (OK + b"Content-Length: 5\r\n\r\nhello again", b"hello"),
    "the same length twice": (OK + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
    "no length": (OK + b"\r\nhello", b"hello"),
    "a length beyond 64 bits": (OK + b"Content-Length: 99999999999999999999\r\n\r\nhello", b"hello"),
    "HTTP/1.0": (b"HTTP/1.0 200\r\n\r\nhello", b"hello"),
    "bare line feeds": (b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", b"hello"),
    "a folded header": (OK + b"X: a\r\n b: c\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
    "interim answers": (b"HTTP/1.1 100 Go on\r\n\r\nHTTP/1.1 103 Early\r\nX: y\r\n\r\n" + OK + b"\r\nhello", b"hello"),
    "chunks": (CHUNKED + b"2;x=y\r\nhe\r\n3 \r\nllo\r\n0\r\nX-Trailer: 1\r\n\r\n", b"hello"),
    "chunks and a length": (OK + b"Content-Length: 9\r\nTransfer-Encoding: Chunked\r\n\r\n5\nhello\n0\n\n", b"hello"),
    "no chunk": (CHUNKED + b"0\r\n\r\n", b""),
    "gzip": (OK + b"Content-Encoding: GZIP\r\n\r\n" + gzip.compress(HELLO), HELLO),
    "gzip cut short": (OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(HELLO)[:-4], HELLO),
    "gzip and what is none": (OK + b"Content-Encoding: x-gzip\r\n\r\n" + gzip.compress(HELLO) + b"junk", HELLO),
    "deflate": (OK + b"Content-Encoding: deflate\r\n\r\n" + zlib.compress(HELLO), HELLO),
    "deflate without its header": (OK + b"Content-Encoding: deflate\r\n\r\n" + bare_deflate(HELLO), HELLO),
    "no coding": (OK + b"Content-Encoding: identity\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
    "no content": (b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", b""),
    "not modified": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", b""),
}  # fmt: skip


@pytest.mark.parametrize("name", WHOLE)
@given(cuts=st.lists(st.integers(0, 400), max_size=8).map(tuple))
def test_an_answer_is_the_same_however_it_is_cut(name: str, cuts: tuple[int, ...]) -> None:
    """TCP cuts where it likes."""
    raw, body = WHOLE[name]
    reader = read(raw, cuts=cuts)
    assert (reader.is_whole, reader.is_truncated, reader.body) == (True, False, body)
    assert reader.head is not None
    assert reader.head.status in {200, 204, 304}


@given(raw=st.binary(max_size=200), cuts=st.lists(st.integers(0, 400), max_size=4).map(tuple), is_chunked=st.booleans())
def test_whatever_comes_is_read_or_named(raw: bytes, cuts: tuple[int, ...], *, is_chunked: bool) -> None:
    """Nothing else is ever raised than what is wrong with the answer, and the body is never beyond its limit."""
    with suppress(BrokenAnswerError):
        reader = read((CHUNKED if is_chunked else b"") + raw, cuts=cuts, limit=10)
        assert len(reader.body) <= 10


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", pycurl.E_GOT_NOTHING),
        (b"HTTP/1.1 100 Continue\r\n\r\n", pycurl.E_GOT_NOTHING),
        (b"SSH-2.0-x\r\n", pycurl.E_FTP_WEIRD_SERVER_REPLY),
        (b"HTTP/2 200\r\n\r\n", pycurl.E_FTP_WEIRD_SERVER_REPLY),
        (b"HTTP/1.1 20", pycurl.E_FTP_WEIRD_SERVER_REPLY),
        (b"HTTP/1.1 99 Odd\r\n\r\n", pycurl.E_FTP_WEIRD_SERVER_REPLY),
        (OK + b"no header\r\n\r\n", pycurl.E_FTP_WEIRD_SERVER_REPLY),
        (OK + b"X: a\0b\r\n\r\n", pycurl.E_FTP_WEIRD_SERVER_REPLY),
        (OK + b"Content-Length: -1\r\n\r\n", pycurl.E_FTP_WEIRD_SERVER_REPLY),
        (OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", pycurl.E_FTP_WEIRD_SERVER_REPLY),
        (OK + b"Content-Length: 5\r\n\r\nhell", pycurl.E_PARTIAL_FILE),
        (CHUNKED + b"5\r\nhel", pycurl.E_PARTIAL_FILE),
        (CHUNKED + b"5\r\nhello\r\n0\r\n", pycurl.E_PARTIAL_FILE),
        (CHUNKED + b"5\r\nhelloX\r\n0\r\n\r\n", pycurl.E_RECV_ERROR),
        (CHUNKED + b"-5\r\nhello\r\n", pycurl.E_RECV_ERROR),
        (CHUNKED + b"1" * 20_000, pycurl.E_RECV_ERROR),
        (OK + b"Content-Encoding: gzip\r\n\r\nno gzip", pycurl.E_BAD_CONTENT_ENCODING),
        (OK + b"Content-Encoding: br\r\n\r\nwhat", pycurl.E_BAD_CONTENT_ENCODING),
        (OK + b"Transfer-Encoding: gzip\r\n\r\nwhat", pycurl.E_BAD_CONTENT_ENCODING),
    ],
)
def test_what_is_broken_is_named_as_libcurl_names_it(raw: bytes, code: int) -> None:
    """So that both ways of asking tell the same of a target."""
    with pytest.raises(BrokenAnswerError) as raised:
        read(raw)
    assert raised.value.code == code


def test_headers_that_never_end_are_not_read_for_ever() -> None:
    """Neither in one head, nor in one interim answer after the other, nor in one line."""
    line = b"X: " + b"y" * 1000 + b"\r\n"
    for piece, begin in ((line, OK), (b"HTTP/1.1 102 Wait\r\n" + line + b"\r\n", b""), (b"y" * 1000, OK + b"X: ")):
        reader = AnswerReader(is_head=False, limit=10)
        reader.feed(begin or piece)
        with pytest.raises(BrokenAnswerError, match="more than"):
            feed_often(reader, piece, times=MOST_HEAD_BYTES // 1000 + 1)


def test_an_answer_to_head_ends_with_its_headers() -> None:
    """Whatever length they announce."""
    reader = read(OK + b"Content-Length: 5\r\nContent-Encoding: gzip\r\n\r\n", is_head=True)
    assert (reader.is_whole, reader.body) == (True, b"")
