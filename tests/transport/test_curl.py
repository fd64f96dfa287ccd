"""The HTTP client asks, follows, bounds and measures."""

import asyncio
import gzip
import zlib

import pytest
from http_servers import Seen, always, answer, hang, serve, serve_raw

from shared.domain.target.egress import EgressPolicy
from shared.domain.target.observation import Blame
from shared.transport.curl import CurlClient
from shared.transport.dialling import Dialler
from shared.transport.http_exchange import READ_LIMIT_BYTES, HttpAnswer, HttpFault, HttpRequest
from shared.transport.resolver import Resolver


async def fetch(client: CurlClient, request: HttpRequest) -> HttpAnswer:
    result = await client.fetch(request)
    assert isinstance(result, HttpAnswer), result
    return result


async def fail(client: CurlClient, request: HttpRequest) -> HttpFault:
    result = await client.fetch(request)
    assert isinstance(result, HttpFault), result
    return result


async def test_an_answer_comes_with_its_status_headers_body_and_phases(client: CurlClient) -> None:
    """Every phase that took place is measured, and nothing else."""
    raw = answer(b"hello", headers={"X-One": "1", "x-one": "2", "Content-Type": "text/plain"})
    async with serve(always(b"HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\n" + raw)) as server:
        result = await fetch(client, HttpRequest(server.url("/health?x=1")))
    assert (result.status, result.body, result.is_truncated, result.http_version) == (200, b"hello", False, "1.1")
    assert result.headers == {"content-length": "5", "x-one": "1, 2", "content-type": "text/plain"}
    trace = result.trace
    assert trace.remote_address == "127.0.0.1"
    assert trace.dns_ms == 0
    assert trace.tls_ms is None
    assert trace.connect_ms is not None
    assert trace.first_byte_ms is not None
    assert trace.transfer_ms is not None
    # Each is rounded to a microsecond by itself.
    assert trace.duration_ms + 0.002 >= trace.connect_ms + trace.first_byte_ms + trace.transfer_ms > 0
    seen = server.seen[0]
    assert (seen.method, seen.path, seen.headers["host"]) == ("GET", "/health?x=1", f"127.0.0.1:{server.port}")
    assert seen.headers["user-agent"].startswith("Tocsin/")


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_every_method_is_sent_with_and_without_a_body(client: CurlClient, method: str) -> None:
    """A body goes with any method but HEAD, without a content type that nobody named."""
    body = None if method == "HEAD" else b"question"
    async with serve(always(answer())) as server:
        await fetch(client, HttpRequest(server.url(), method=method, body=body, headers={"X-Empty": ""}))
        await fetch(client, HttpRequest(server.url(), method=method))
    with_body, without = server.seen
    assert with_body.method == without.method == method
    assert with_body.body == (body or b"")
    assert "content-type" not in with_body.headers
    assert with_body.headers["x-empty"] == ""
    assert without.body == b""


async def test_nothing_of_one_request_is_left_in_the_next(client: CurlClient) -> None:
    """A handle that is used again knows neither the method, the headers nor the body from before."""
    async with serve(always(answer())) as server:
        secret = {"Authorization": "Bearer secret", "Content-Type": "text/plain"}
        await fetch(client, HttpRequest(server.url(), method="POST", body=b"x", headers=secret))
        await fetch(client, HttpRequest(server.url()))
    assert server.seen[1].method == "GET"
    assert server.seen[1].body == b""
    assert not {"authorization", "content-type"} & set(server.seen[1].headers)


async def test_every_check_opens_its_own_connection(client: CurlClient) -> None:
    """A monitor that keeps connections open does not notice that nobody new gets in."""
    connections = 0

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer())
            await writer.drain()

    async with serve_raw(converse) as port:
        for _ in range(3):
            await fetch(client, HttpRequest(f"http://127.0.0.1:{port}/"))
    assert connections == 3


async def test_a_hanging_server_ends_by_the_timeout(client: CurlClient) -> None:
    """The target is to blame, and how far it came is told."""
    async with serve(hang) as server:
        result = await fail(client, HttpRequest(server.url(), timeout_seconds=0.2))
    assert (result.code, result.blame) == ("timeout", Blame.TARGET)
    assert "waiting for the answer" in result.message
    assert result.trace.connect_ms is not None
    assert result.trace.first_byte_ms is None
    assert result.trace.duration_ms > 190


async def test_a_slow_endless_body_ends_by_the_timeout(client: CurlClient) -> None:
    """An answer that never ends is a timeout, though its status was read."""

    async def drip(_seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nx")
        await writer.drain()
        await asyncio.Event().wait()

    async with serve(drip) as server:
        result = await fail(client, HttpRequest(server.url(), timeout_seconds=0.2))
    assert result.code == "timeout"
    assert "reading the answer" in result.message
    assert result.trace.status == 200


async def test_a_fast_endless_body_is_cut_and_no_fault(client: CurlClient) -> None:
    """One megabyte is read and the rest is not waited for."""

    async def flood(_seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 65_536)
            await writer.drain()

    async with serve(flood) as server:
        result = await fetch(client, HttpRequest(server.url()))
    assert result.is_truncated
    assert len(result.body) == READ_LIMIT_BYTES
    assert len(result.excerpt) == 10_240


async def test_a_body_of_just_the_limit_is_whole(client: CurlClient) -> None:
    """The limit itself is not beyond the limit."""
    async with serve(always(answer(b"x" * 100))) as server:
        exact = await fetch(client, HttpRequest(server.url(), read_limit=100))
        beyond = await fetch(client, HttpRequest(server.url(), read_limit=99))
    assert (exact.is_truncated, len(exact.body)) == (False, 100)
    assert (beyond.is_truncated, len(beyond.body)) == (True, 99)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_a_decompression_bomb_is_counted_after_inflating(client: CurlClient, encoding: str) -> None:
    """50 MB in 50 kB are cut at the limit like any other long body."""
    packed = (gzip.compress if encoding == "gzip" else zlib.compress)(b"\0" * 50_000_000)
    async with serve(always(answer(packed, headers={"Content-Encoding": encoding}))) as server:
        result = await fetch(client, HttpRequest(server.url()))
    assert result.is_truncated
    assert len(result.body) == READ_LIMIT_BYTES


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x16\x03\x01 what is this\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 20",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 7\r\n\r\nno gzip",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %s\r\n" % (i, b"y" * 1000) for i in range(400)) + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
    ],
    ids=["nothing", "bytes", "ssh", "half-a-line", "short", "no-gzip", "bad-chunk", "many-headers", "long-header"],
)
async def test_garbage_is_the_targets_protocol_error(client: CurlClient, raw: bytes) -> None:
    """Whatever comes instead of HTTP is told as such, blamed on the target, and ends before the timeout."""
    async with serve(always(raw)) as server:
        result = await fail(client, HttpRequest(server.url(), timeout_seconds=5))
    assert (result.code, result.blame) == ("protocol_error", Blame.TARGET), result
    assert "127.0.0.1" in result.message


async def test_a_closed_port_is_refused(client: CurlClient) -> None:
    """The target's fault, named."""
    async with serve(always(b"")) as server:
        pass
    result = await fail(client, HttpRequest(server.url()))
    assert (result.code, result.blame) == ("connection_refused", Blame.TARGET)
    assert result.trace.connect_ms is None


async def test_a_broken_connection_is_the_targets(client: CurlClient) -> None:
    """A reset while waiting for the answer."""

    async def reset(_seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async with serve(reset) as server:
        result = await fail(client, HttpRequest(server.url()))
    assert result.blame is Blame.TARGET
    assert result.code in {"connection_lost", "protocol_error"}


@pytest.mark.parametrize(
    "url",
    [
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "http://",
        "http:///x",
        "http://user:secret@/",
        "http://a b/",
        "http://256.1.1.1/",
        "http://127.0.0.1:0/",
        "http://127.0.0.1:99999/",
        "http://[::1/",
        "http://exa mple/",
        "http://a@secret@b/",
        "http://%31%32%37.0.0.1/",
        "http://127.0.0.1\\@example.com/",
        "http://x\r\nHost: y/",
        "http://" + "a" * 300 + ".example/",
        "http://-./",
    ],
)
async def test_an_address_that_cannot_be_asked_is_our_own_fault(client: CurlClient, url: str) -> None:
    """Somebody wrote it wrong; nothing is said of the target, and nothing secret is told."""
    result = await fail(client, HttpRequest(url))
    assert (result.code, result.blame) in {("invalid_url", Blame.OURS), ("dns_failure", Blame.TARGET)}
    assert "secret" not in result.message


@pytest.mark.parametrize("headers", [{"X": "a\r\nY: b"}, {"X\nY": "b"}, {"": "x"}, {"X y": "z"}, {"X": "a\0b"}])
async def test_a_header_cannot_break_out_of_its_line(client: CurlClient, headers: dict[str, str]) -> None:
    """It is refused before anything is dialled, without showing its value."""
    result = await fail(client, HttpRequest("http://127.0.0.1:1/", headers=headers))
    assert (result.code, result.blame) == ("invalid_header", Blame.OURS)
    assert "Y: b" not in result.message


async def test_a_name_is_dialled_at_whatever_address_answers(client: CurlClient) -> None:
    """`localhost` has two addresses; the server listens on one of them."""
    async with serve(always(answer())) as server:
        result = await fetch(client, HttpRequest(server.url(host="LOCALHOST")))
    assert result.trace.remote_address == "127.0.0.1"
    assert server.seen[0].headers["host"] == f"localhost:{server.port}"


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "0177.0.0.1", "127.1", "[::ffff:127.0.0.1]"])
async def test_odd_numerals_are_judged_as_what_they_dial(resolver: Resolver, host: str) -> None:
    """Loopback stays closed however it is written."""
    closed = CurlClient(Dialler(resolver, EgressPolicy.parse("any")))
    async with serve(always(answer())) as server:
        result = await fail(closed, HttpRequest(server.url(host=host)))
    await closed.close()
    assert (result.code, result.blame) == ("blocked_by_policy", Blame.OURS)
    assert "TOCSIN_EGRESS_ALLOW" in result.message
    assert server.seen == []


async def test_the_socket_itself_is_checked(resolver: Resolver, loopback: EgressPolicy, ca_file: str) -> None:
    """An address that slipped by the resolver is refused when its socket is opened."""

    class Careless(Dialler):
        async def route(self, host: str, port: int, *, timeout_seconds: float) -> object:
            return await Dialler(resolver, loopback).route(host, port, timeout_seconds=timeout_seconds)

    client = CurlClient(Careless(resolver, EgressPolicy.parse("any")), ca_file=ca_file)
    async with serve(always(answer())) as server:
        result = await fail(client, HttpRequest(server.url()))
    await client.close()
    assert result.code == "blocked_by_policy"
    assert server.seen == []


async def test_the_environments_proxy_is_not_used(client: CurlClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would dial for us what the policy forbids."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    async with serve(always(answer())) as server:
        await fetch(client, HttpRequest(server.url()))
    assert len(server.seen) == 1


async def test_a_cancelled_check_leaves_nothing_behind(client: CurlClient) -> None:
    """The connection is closed at once and the next check is not disturbed."""
    closed = asyncio.Event()

    async def converse(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await reader.read()
        closed.set()

    asked = asyncio.Event()
    async with serve_raw(converse) as port:
        check = asyncio.create_task(client.fetch(HttpRequest(f"http://127.0.0.1:{port}/")))
        await asyncio.wait_for(asked.wait(), 5)
        check.cancel()
        with pytest.raises(asyncio.CancelledError):
            await check
        await asyncio.wait_for(closed.wait(), 5)
    async with serve(always(answer())) as server:
        await fetch(client, HttpRequest(server.url()))


async def test_a_client_can_be_closed_under_way_and_made_anew(
    resolver: Resolver, loopback: EgressPolicy, ca_file: str
) -> None:
    """What was under way ends as our own fault, what comes later too, and another client works."""
    client = CurlClient(Dialler(resolver, loopback), ca_file=ca_file)
    async with serve(hang) as server:
        check = asyncio.create_task(client.fetch(HttpRequest(server.url())))
        await asyncio.wait_for(server.asked.wait(), 5)
        await client.close()
        result = await check
    assert isinstance(result, HttpFault)
    assert (result.code, result.blame) == ("internal", Blame.OURS)
    assert (await fail(client, HttpRequest("http://127.0.0.1:1/"))).code == "internal"
    another = CurlClient(Dialler(resolver, loopback), ca_file=ca_file)
    async with serve(always(answer())) as server:
        await fetch(another, HttpRequest(server.url()))
    await another.close()


async def test_dead_targets_do_not_hold_up_the_living(resolver: Resolver, loopback: EgressPolicy, ca_file: str) -> None:
    """Three silent TLS servers fill the opening slots; a check behind them does not wait for their timeout."""

    async def silent(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    client = CurlClient(Dialler(resolver, loopback), max_opening=3, ca_file=ca_file)
    async with serve_raw(silent) as port, serve(always(answer())) as server:
        dead = [
            asyncio.create_task(client.fetch(HttpRequest(f"https://127.0.0.1:{port}/", timeout_seconds=30)))
            for _ in range(3)
        ]
        result = await asyncio.wait_for(client.fetch(HttpRequest(server.url())), 10)
        assert not any(task.done() for task in dead)
        await client.close()
        await asyncio.gather(*dead)
    assert isinstance(result, HttpAnswer)


async def test_no_more_run_at_once_than_the_client_allows(
    resolver: Resolver, loopback: EgressPolicy, ca_file: str
) -> None:
    """Who finds no slot within his timeout learns that we were overloaded, which is not the target's fault."""
    client = CurlClient(Dialler(resolver, loopback), max_total=1, ca_file=ca_file)
    async with serve(hang) as server:
        first = asyncio.create_task(client.fetch(HttpRequest(server.url(), timeout_seconds=30)))
        await asyncio.wait_for(server.asked.wait(), 5)
        second = await fail(client, HttpRequest(server.url(), timeout_seconds=0.05))
        await client.close()
        await first
    assert (second.code, second.blame) == ("overloaded", Blame.OURS)


async def test_200_at_once_are_all_answered(client: CurlClient) -> None:
    """More than may be opened at once queue for it."""
    async with serve(always(answer())) as server:
        results = await asyncio.gather(*(client.fetch(HttpRequest(server.url(f"/{i}"))) for i in range(200)))
    assert all(isinstance(result, HttpAnswer) for result in results)
    assert {seen.path for seen in server.seen} == {f"/{i}" for i in range(200)}
