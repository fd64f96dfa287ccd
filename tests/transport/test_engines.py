"""Plain HTTP is asked past libcurl, and what it tells of an odd server is what libcurl would tell."""

import asyncio
import socket

import pytest
from http_servers import Seen, always, answer, read_request, serve, serve_raw

from shared.domain.target.egress import EgressPolicy
from shared.domain.target.observation import Blame
from shared.transport import curl
from shared.transport.curl import CurlClient
from shared.transport.dialling import Dialler
from shared.transport.http_exchange import HttpAnswer, HttpFault, HttpRequest
from shared.transport.resolver import Resolver

OK = b"HTTP/1.1 200 OK\r\n"
LENGTH = b"Content-Length: 2\r\n"
ODD = {
    "line feeds": b"HTTP/1.1 200 OK\nContent-Length: 2\nX: y\n\nok",
    "no reason": b"HTTP/1.1 404\r\nContent-Length: 2\r\n\r\nok",
    "1.0": b"HTTP/1.0 200 OK\r\n\r\nuntil the end",
    "small letters": b"http/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "version 1.2": b"HTTP/1.2 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "two spaces": b"HTTP/1.1  200 OK\r\nContent-Length: 2\r\n\r\nok",
    "no space": b"HTTP/1.1 200OK\r\nContent-Length: 2\r\n\r\nok",
    "no colon": OK + b"Garbage\r\n" + LENGTH + b"\r\nok",
    "folded": OK + b"X: a\r\n b\r\n" + LENGTH + b"\r\nok",
    "NUL": OK + b"X: a\0b\r\n" + LENGTH + b"\r\nok",
    "lengths alike": OK + LENGTH + LENGTH + b"\r\nok",
    "lengths that differ": OK + LENGTH + b"Content-Length: 3\r\n\r\nok",
    "endless length": OK + b"Content-Length: 99999999999999999999999\r\n\r\nok",
    "empty length": OK + b"Content-Length: \r\n\r\nok",
    "chunks beat length": OK + b"Content-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "chunks cut short": OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
    "a chunk too long": OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nokxx0\r\n\r\n",
    "chunks in HTTP/1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "gzip on the way": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "unknown coding": OK + b"Content-Encoding: foo\r\n" + LENGTH + b"\r\nok",
    "unknown coding of nothing": OK + b"Content-Encoding: foo\r\nContent-Length: 0\r\n\r\n",
    "no content": b"HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n",
    "reset content": b"HTTP/1.1 205 Reset\r\n" + LENGTH + b"\r\nok",
    "switched": b"HTTP/1.1 101 Switch\r\nUpgrade: x\r\n\r\nzz",
    "cookies": OK + b"Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nSet-Cookie: c=3\r\n" + LENGTH + b"\r\nok",
    "latin-1": OK + b"X: gr\xfcn\r\nX-Empty:\r\n" + LENGTH + b"\r\nok",
    "its own name in a header": OK + b"X: y\r\nVia: HTTP/1.1 proxy\r\n" + LENGTH + b"\r\nok",
    "more than announced": OK + LENGTH + b"\r\nok and more",
    "less than announced": OK + b"Content-Length: 20\r\n\r\nok",
    "a long header": OK + b"X: " + b"y" * 90_000 + b"\r\n" + LENGTH + b"\r\nok",
    "too long a header": OK + b"X: " + b"y" * 110_000 + b"\r\n" + LENGTH + b"\r\nok",
    "long headers": OK + (b"X: " + b"y" * 1000 + b"\r\n") * 250 + LENGTH + b"\r\nok",
    "nothing": b"",
}


def told(result: HttpAnswer | HttpFault) -> tuple[object, ...]:
    """What a collector makes a sample of, without the times."""
    if isinstance(result, HttpFault):
        return (result.code, result.blame, result.trace.connect_ms is None, result.trace.transfer_ms is None)
    trace = result.trace
    phases = (trace.connect_ms is None, trace.first_byte_ms is None, trace.transfer_ms is None, trace.tls_ms)
    return (result.status, result.headers, result.body, result.is_truncated, trace.remote_address, phases)


@pytest.fixture
def engine() -> str:
    """As it is shipped; who compares asks for the other one."""
    return "plain"


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
async def test_both_ways_tell_the_same(client: CurlClient, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """Each odd answer is read, or refused with the same code, by both."""
    differing = {}
    # With HEAD libcurl refuses lengths that it does not need, and takes 101 for no answer.
    left_out = {"lengths that differ", "empty length", "switched"} if method == "HEAD" else set()
    for name in ODD.keys() - left_out:
        raw = ODD[name]
        found = []
        for is_supported in (True, False):
            monkeypatch.setattr(curl, "IS_SUPPORTED", is_supported)
            async with serve(always(raw)) as server:
                body = b"question" if method == "POST" else None
                found.append(told(await client.fetch(HttpRequest(server.url(), method=method, body=body))))
        if found[0] != found[1]:
            differing[name] = found
    assert differing == {}


@pytest.mark.parametrize(
    ("path", "headers", "is_plain"),
    [
        ("/a?b=c", {}, True),
        ("/a?b=c", {"X-Key": "s", "Host": "other.example"}, True),
        ("/a/../b", {}, False),
        ("/", {"Connection": "keep-alive"}, False),
        ("/", {"Accept-Encoding": "br"}, False),
    ],
)
async def test_only_what_is_usual_goes_past_libcurl(
    client: CurlClient, path: str, headers: dict[str, str], *, is_plain: bool
) -> None:
    """Which one asked is seen by the codings it can read."""
    async with serve(always(answer())) as server:
        assert isinstance(await client.fetch(HttpRequest(server.url(path), headers=headers)), HttpAnswer)
    seen = server.seen[0].headers
    assert (seen["accept-encoding"] == "gzip, deflate") is is_plain
    assert headers.items() <= {name.title(): value for name, value in seen.items()}.items()


async def test_an_answer_may_drip(client: CurlClient) -> None:
    """Byte by byte, each in a packet of its own as far as the kernel goes along."""

    async def drip(_seen: Seen, writer: asyncio.StreamWriter) -> None:
        for byte in OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n":
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)

    async with serve(drip) as server:
        result = await client.fetch(HttpRequest(server.url()))
    assert isinstance(result, HttpAnswer)
    assert result.body == b"ok"


async def test_a_question_larger_than_the_sockets_buffer_arrives_whole(client: CurlClient) -> None:
    """It is sent on as there is room."""
    body = b"question " * 1_000_000
    async with serve(always(answer())) as server:
        result = await client.fetch(HttpRequest(server.url(), method="POST", body=body))
    assert isinstance(result, HttpAnswer)
    assert server.seen[0].body == body


async def test_who_answers_before_the_question_is_over_is_heard(client: CurlClient) -> None:
    """As with 413: the answer counts, not that the rest was not taken."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer(b"too much", status="413 Too Large"))
        await writer.drain()
        await reader.read()

    async with serve_raw(refuse) as port:
        request = HttpRequest(f"http://127.0.0.1:{port}/", method="POST", body=b"x" * 3_000_000)
        result = await client.fetch(request)
    assert isinstance(result, HttpAnswer)
    assert result.status == 413


async def test_a_reset_within_the_answer_is_the_targets(client: CurlClient) -> None:
    """What came until then is told."""

    async def reset(_seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(OK + b"Content-Length: 20\r\n\r\nok")
        await writer.drain()
        await received.wait()
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        writer.transport.abort()

    received = asyncio.Event()
    async with serve(reset) as server:
        asking = asyncio.create_task(client.fetch(HttpRequest(server.url())))
        await asyncio.wait_for(server.asked.wait(), 5)
        received.set()
        result = await asking
    assert isinstance(result, HttpFault)
    assert (result.code, result.blame) == ("connection_lost", Blame.TARGET)


async def test_ipv6_is_asked_and_named_as_it_is_written(client: CurlClient) -> None:
    """The address stands in brackets in `Host` (RFC 9110, 7.2)."""
    hosts = []

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hosts.append((await read_request(reader)).headers["host"])
        writer.write(answer())
        await writer.drain()
        writer.close()

    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    listener = await asyncio.start_server(converse, "::1", 0)
    port = listener.sockets[0].getsockname()[1]
    async with listener:
        result = await client.fetch(HttpRequest(f"http://[0:0::1]:{port}/"))
    assert isinstance(result, HttpAnswer)
    assert (hosts, result.trace.remote_address) == ([f"[::1]:{port}"], "::1")


async def test_a_plain_question_to_what_does_not_answer_at_all_ends_in_time(
    resolver: Resolver, client: CurlClient
) -> None:
    """A backlog that is full takes no connection: it counts as connecting."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)), socket.socket() as waiting:
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", port))
            result = await client.fetch(HttpRequest(f"http://127.0.0.1:{port}/", timeout_seconds=0.2))
    assert isinstance(result, HttpFault)
    assert (result.code, result.trace.connect_ms) == ("timeout", None)
    assert "connecting took longer" in result.message


async def test_a_client_that_never_asked_may_be_closed(resolver: Resolver) -> None:
    """As at the end of a process that had nothing to do; whoever asks then hears that it stops."""
    client = CurlClient(Dialler(resolver, EgressPolicy.parse("any")))
    await client.close()
    await client.close()
    result = await client.fetch(HttpRequest("http://127.0.0.1:9/"))
    assert isinstance(result, HttpFault)
    assert (result.code, result.blame) == ("internal", Blame.OURS)
