"""Certificates are verified, and their end is told whatever became of them; HTTP/2 is spoken where it is offered."""

import asyncio
import ssl
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import trustme
from http_servers import always, answer, serve, serve_raw

from shared.domain.target.observation import Blame
from shared.transport.curl import CurlClient
from shared.transport.http_exchange import HttpAnswer, HttpFault, HttpRequest

Tls = Callable[..., ssl.SSLContext]
ENDS = datetime(2035, 5, 17, 12, 30, tzinfo=UTC)


@pytest.fixture
def engine() -> str:
    """TLS is libcurl's."""
    return "libcurl"


async def test_a_good_certificate_tells_its_end_and_the_handshakes_time(client: CurlClient, tls: Tls) -> None:
    """Connect and TLS are phases of their own."""
    async with serve(always(answer()), tls=tls(ends=ENDS)) as server:
        result = await client.fetch(HttpRequest(server.url()))
    assert isinstance(result, HttpAnswer)
    assert result.trace.certificate_expires_at == ENDS
    assert result.trace.tls_ms is not None
    assert result.trace.connect_ms is not None
    assert result.trace.tls_ms > 0


async def test_the_name_of_the_address_is_verified_though_another_place_is_dialled(
    client: CurlClient, tls: Tls
) -> None:
    """Pinning changes where we dial and nothing about whom we trust."""
    async with serve(always(answer()), tls=tls("localhost")) as server:
        named = await client.fetch(HttpRequest(server.url(host="localhost")))
        literal = await client.fetch(HttpRequest(server.url(host="127.0.0.1")))
    assert isinstance(named, HttpAnswer)
    assert isinstance(literal, HttpFault)
    assert literal.code == "tls_invalid"


@pytest.mark.parametrize(
    ("names", "ends", "is_foreign", "words"),
    [
        (("localhost", "127.0.0.1"), datetime(2020, 1, 1, tzinfo=UTC), False, "expired"),
        (("localhost", "127.0.0.1"), ENDS, True, "unable to get local issuer"),
        (("elsewhere.example",), ENDS, False, "does not match"),
    ],
    ids=["expired", "self-signed", "wrong-host"],
)
async def test_a_bad_certificate_is_a_fault_that_still_tells_its_end(
    client: CurlClient, tls: Tls, *, names: tuple[str, ...], ends: datetime, is_foreign: bool, words: str
) -> None:
    """Expired, by a foreign authority, or for another host: refused, and when it ends is told all the same."""
    context = tls(*names, ends=ends, by=trustme.CA() if is_foreign else None)
    async with serve(always(answer()), tls=context) as server:
        result = await client.fetch(HttpRequest(server.url()))
        unverified = await client.fetch(HttpRequest(server.url(), verify_tls=False))
    assert isinstance(result, HttpFault)
    assert (result.code, result.blame) == ("tls_invalid", Blame.TARGET)
    assert words in result.message or "no alternative certificate subject name" in result.message
    assert result.trace.certificate_expires_at == ends
    assert result.trace.connect_ms is not None
    assert server.seen[0].path == "/"
    assert isinstance(unverified, HttpAnswer)
    assert unverified.trace.certificate_expires_at == ends


async def test_not_verifying_is_forgotten_by_the_next_request(client: CurlClient, tls: Tls) -> None:
    """A handle that did not verify verifies again."""
    async with serve(always(answer()), tls=tls(by=trustme.CA())) as server:
        assert isinstance(await client.fetch(HttpRequest(server.url(), verify_tls=False)), HttpAnswer)
        assert isinstance(await client.fetch(HttpRequest(server.url())), HttpFault)


async def test_a_server_without_tls_fails_the_handshake(client: CurlClient) -> None:
    """It is told apart from a bad certificate."""
    async with serve_raw(_refuse) as port:
        result = await client.fetch(HttpRequest(f"https://127.0.0.1:{port}/", timeout_seconds=5))
    assert isinstance(result, HttpFault)
    assert (result.code, result.blame) == ("tls_failed", Blame.TARGET)


async def test_a_missing_bundle_is_our_own_fault(tls: Tls, client: CurlClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without authorities nothing can be said of any target."""
    monkeypatch.setattr(client, "_ca_file", "/nowhere/ca.pem")
    async with serve(always(answer()), tls=tls()) as server:
        result = await client.fetch(HttpRequest(server.url()))
    assert isinstance(result, HttpFault)
    assert (result.code, result.blame) == ("internal", Blame.OURS)
    assert "SSL_CERT_FILE" in result.message


async def test_the_handshake_is_not_shortened_by_the_last_one(client: CurlClient, tls: Tls) -> None:
    """A resumed session would show neither the certificate nor the handshake's true time."""
    resumed: list[bool] = []

    async def look(_seen: object, writer: asyncio.StreamWriter) -> None:
        resumed.append(writer.get_extra_info("ssl_object").session_reused)
        writer.write(answer())
        await writer.drain()

    async with serve(look, tls=tls()) as server:
        for _ in range(3):
            await client.fetch(HttpRequest(server.url()))
    assert resumed == [False, False, False]


@pytest.mark.parametrize(("http2", "version"), [(True, "2"), (False, "1.1")])
async def test_http2_is_spoken_when_offered_and_wanted(
    client: CurlClient, tls: Tls, *, http2: bool, version: str
) -> None:
    """A server that knows nothing but h2 and http/1.1 by ALPN is asked in the version that the target names."""
    context = tls()
    context.set_alpn_protocols(["h2", "http/1.1"])
    async with serve_raw(_speak_either, tls=context) as port:
        result = await client.fetch(HttpRequest(f"https://127.0.0.1:{port}/", http2=http2, timeout_seconds=5))
    assert isinstance(result, HttpAnswer), result
    assert (result.http_version, result.status, result.body) == (version, 200, b"ok")


async def _refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(100)
    writer.write(b"HTTP/1.1 400 this is no TLS\r\n\r\n")
    await writer.drain()


async def _speak_either(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    if writer.get_extra_info("ssl_object").selected_alpn_protocol() != "h2":
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer())
        await writer.drain()
        return
    await reader.readexactly(24)  # The preface, RFC 9113 3.4.
    writer.write(_frame(4, 0, 0, b""))
    while True:
        head = await reader.readexactly(9)
        await reader.readexactly(int.from_bytes(head[:3]))
        if head[3] == 1:
            break
    # Index 8 of HPACK's static table is `:status: 200`; then the body, which ends the stream.
    writer.write(_frame(1, 4, 1, b"\x88") + _frame(0, 1, 1, b"ok"))
    await writer.drain()
    await reader.read()


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3) + bytes((kind, flags)) + stream.to_bytes(4) + payload
