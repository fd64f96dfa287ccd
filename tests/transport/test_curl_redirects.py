"""Each hop of a redirect is looked up, checked and stripped of secrets on its own."""

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress

import pytest
from http_servers import Handler, Seen, always, answer, serve

from shared.domain.target.observation import Blame
from shared.transport.curl import CurlClient
from shared.transport.http_exchange import HttpAnswer, HttpFault, HttpRequest
from shared.transport.redirects import next_request
from shared.transport.urls import parse_location

Tls = Callable[..., ssl.SSLContext]


def redirect(to: str, status: int = 302) -> bytes:
    return answer(b"", status=f"{status} Go", headers={"Location": to})


def by_path(answers: dict[str, bytes]) -> Handler:
    async def handle(seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(answers[seen.path])
        await writer.drain()

    return handle


async def test_redirects_are_followed_and_counted(client: CurlClient) -> None:
    """Relative and absolute ones; the phases of all hops are summed."""
    answers = {"/a/b": redirect("../c d?x=1"), "/e": answer(b"end")}
    async with serve(by_path(answers)) as server:
        answers["/c%20d?x=1"] = redirect(f"//127.0.0.1:{server.port}/e#part")
        result = await client.fetch(HttpRequest(server.url("/a/b")))
    assert isinstance(result, HttpAnswer)
    assert (result.status, result.body, result.trace.redirects) == (200, b"end", 2)
    assert result.trace.connect_ms is not None
    assert result.trace.duration_ms >= result.trace.connect_ms


async def test_redirects_are_told_when_not_followed(client: CurlClient) -> None:
    """The status and the address are the answer."""
    async with serve(always(redirect("/elsewhere"))) as server:
        result = await client.fetch(HttpRequest(server.url(), follow_redirects=False))
    assert isinstance(result, HttpAnswer)
    assert (result.status, result.headers["location"], result.trace.redirects) == (302, "/elsewhere", 0)


async def test_a_redirect_loop_ends(client: CurlClient) -> None:
    """Ten hops and no more."""
    async with serve(always(redirect("/again"))) as server:
        result = await client.fetch(HttpRequest(server.url()))
    assert isinstance(result, HttpFault)
    assert (result.code, result.blame) == ("redirect_loop", Blame.TARGET)
    assert len(server.seen) == 11


async def test_the_timeout_is_over_all_hops(client: CurlClient) -> None:
    """Hops that each take less than the timeout cannot take more than it together."""

    async def slow(seen: Seen, writer: asyncio.StreamWriter) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 0.12)
        writer.write(redirect("/again"))
        await writer.drain()

    async with serve(slow) as server:
        result = await client.fetch(HttpRequest(server.url(), timeout_seconds=0.3))
    assert isinstance(result, HttpFault)
    assert result.code == "timeout"
    assert result.trace.duration_ms > 280
    assert len(server.seen) <= 3


@pytest.mark.parametrize(
    "to", ["http://10.0.0.1/", "http://169.254.169.254/latest/", "http://[::ffff:a00:1]/", "//0x0a000001/"]
)
async def test_a_redirect_to_a_forbidden_address_is_not_dialled(client: CurlClient, to: str) -> None:
    """The policy holds at each hop; that we do not go there is not the target's fault."""
    async with serve(always(redirect(to))) as server:
        result = await client.fetch(HttpRequest(server.url()))
    assert isinstance(result, HttpFault)
    assert (result.code, result.blame) == ("blocked_by_policy", Blame.OURS)
    assert result.trace.redirects == 1


@pytest.mark.parametrize("to", ["file:///etc/passwd", "gopher://127.0.0.1:70/_x", "http://[::1", "http://1.2.3.999/"])
async def test_a_redirect_to_what_is_no_http_address_is_the_targets_fault(client: CurlClient, to: str) -> None:
    """The target sent us there."""
    async with serve(always(redirect(to))) as server:
        result = await client.fetch(HttpRequest(server.url()))
    assert isinstance(result, HttpFault)
    assert (result.code, result.blame) == ("invalid_redirect", Blame.TARGET)


async def test_secrets_stay_with_their_origin(client: CurlClient) -> None:
    """A foreign origin gets neither Authorization, Cookie nor a secret under a name of its own."""
    headers = {"Authorization": "Bearer s", "Cookie": "s=1", "X-Api-Key": "s", "Accept": "text/plain"}
    async with serve(always(answer())) as foreign:
        answers = {"/": redirect("/near"), "/near": redirect(foreign.url("/far"))}
        async with serve(by_path(answers)) as home:
            result = await client.fetch(HttpRequest(home.url(), headers=headers))
    assert isinstance(result, HttpAnswer)
    assert all({name.lower() for name in headers} <= set(seen.headers) for seen in home.seen)
    arrived = foreign.seen[0].headers
    assert not {"authorization", "cookie", "x-api-key"} & set(arrived)
    assert arrived["accept"] == "text/plain"


async def test_credentials_in_the_address_are_not_carried_on(client: CurlClient) -> None:
    """They are sent to the host they stand before and to no other, and never told."""
    async with serve(always(answer())) as foreign, serve(always(redirect(foreign.url()))) as home:
        await client.fetch(HttpRequest(home.url().replace("//", "//user:secret@")))
    assert home.seen[0].headers["authorization"].startswith("Basic ")
    assert "authorization" not in foreign.seen[0].headers
    refused = await client.fetch(HttpRequest("http://user:secret@10.0.0.1/"))
    assert isinstance(refused, HttpFault)
    assert "secret" not in repr(refused)


@pytest.mark.parametrize(
    ("status", "method", "expected"),
    [
        (301, "GET", "GET"),
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (302, "PUT", "PUT"),
        (303, "PUT", "GET"),
        (303, "HEAD", "HEAD"),
        (307, "POST", "POST"),
        (308, "POST", "POST"),
    ],
)
def test_the_method_follows_the_status(status: int, method: str, expected: str) -> None:
    """As RFC 9110 and browsers have it; a request that becomes a GET loses its body and what described it."""
    home, away = parse_location("http://a.example/"), parse_location("http://a.example/b")
    request = HttpRequest(home.url, method=method, body=b"x", headers={"Content-Type": "text/plain", "X": "1"})
    following = next_request(request, status=status, origin=home, target=away)
    assert following.method == expected
    became_get = expected == "GET" != method
    assert (following.body is None) == became_get
    assert ("Content-Type" in following.headers) != became_get
    assert following.headers["X"] == "1"


@pytest.mark.parametrize(
    ("origin", "target", "is_kept"),
    [
        ("http://a.example/", "https://a.example/", True),
        ("http://a.example/", "http://A.EXAMPLE:80/x", True),
        ("https://a.example/", "http://a.example/", False),
        ("http://a.example:8080/", "https://a.example/", False),
        ("http://a.example/", "http://a.example:81/", False),
        ("http://a.example/", "http://b.a.example/", False),
    ],
)
def test_an_upgrade_to_tls_keeps_the_headers_and_nothing_else_does(origin: str, target: str, *, is_kept: bool) -> None:
    """The most usual redirect of all stays within a site; a downgrade, a port or another host does not."""
    request = HttpRequest(origin, headers={"Authorization": "s"})
    following = next_request(request, status=307, origin=parse_location(origin), target=parse_location(target))
    assert ("Authorization" in following.headers) == is_kept
