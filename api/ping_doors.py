"""The doors for pings, before the framework: their URLs are the credential, and there may be thousands a second."""

import asyncio
from collections.abc import Awaitable, Callable
from types import MappingProxyType

import orjson
from starlette.types import ASGIApp, Receive, Scope, Send

from api.answers import Answer, Headers, send_answer
from api.exchange import exchange_of
from api.ping_keyring import PingKeyring
from api.ping_urls import PING_PREFIX, PUSH_PREFIX, PingUrl, PingUrlError, read_ping_url, read_push_url
from shared.domain.heartbeat.ping_delivery import Delivery, PingAnswer
from shared.services.heartbeat.heartbeats import Heartbeats
from shared.services.job.job_submission import OverloadedError
from shared.storage.group_commit import BufferFullError

PING_ROUTE = "/ping/{ping}"
PUSH_ROUTE = "/api/push/{token}"
_METHODS = frozenset({"GET", "HEAD", "POST"})
_PUSH_METHODS = _METHODS | {"PUT", "PATCH"}
_RETRY_SECONDS = 1

_TEXTS = MappingProxyType(
    {
        PingAnswer.TAKEN: (200, "OK"),
        PingAnswer.PAUSED: (200, "OK"),
        PingAnswer.NOT_FOUND: (404, "not found"),
        PingAnswer.AMBIGUOUS: (409, "ambiguous slug"),
    }
)
_CREATED = (201, "Created")

Provision = Callable[[str, str], Awaitable[None]]
"""Makes the heartbeat of a slug, by whom; it may be there already."""


class PingDoors:
    """Answers `/ping/…` as Healthchecks does and `/api/push/…` as Uptime Kuma does; all else goes on."""

    def __init__(
        self, app: ASGIApp, heartbeats: Heartbeats, keyring: PingKeyring, *, provision: Provision, body_limit: int
    ) -> None:
        self._app = app
        self._heartbeats = heartbeats
        self._keyring = keyring
        self._provision = provision
        self._body_limit = body_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a ping or pass the request on."""
        path: str = scope["path"] if scope["type"] == "http" else ""
        if path.startswith(PING_PREFIX):
            exchange_of(scope).route = PING_ROUTE
            await send_answer(await self._answer_ping(scope, receive), send)
        elif path.startswith(PUSH_PREFIX):
            exchange_of(scope).route = PUSH_ROUTE
            await send_answer(await self._answer_push(scope, receive), send)
        else:
            await self._app(scope, receive, send)

    async def _answer_ping(self, scope: Scope, receive: Receive) -> Answer:
        method = exchange_of(scope).method
        if method == "OPTIONS":
            return self._text(204, "")
        if method not in _METHODS:
            return self._text(405, "method not allowed", allow=_METHODS)
        try:
            url = read_ping_url(scope["path"], scope["query_string"])
        except PingUrlError as error:
            return self._text(400, str(error))
        delivery = await self._delivery_of(url, scope, receive)
        if url.key is None:
            return self._text(*_TEXTS[await self._take(delivery)])
        return await self._answer_slug(url, delivery, key=url.key)

    async def _answer_slug(self, url: PingUrl, delivery: Delivery, *, key: str) -> Answer:
        key_id = await self._keyring.find(key)
        answer = PingAnswer.NOT_FOUND if key_id is None else await self._take(delivery)
        if key_id is None or answer is not PingAnswer.NOT_FOUND or not url.should_create:
            return self._text(*_TEXTS[answer])
        await self._provision(url.address.name, f"ping-key:{key_id}")
        answer = await self._take(delivery)
        return self._text(*(_CREATED if answer is PingAnswer.TAKEN else _TEXTS[answer]))

    async def _answer_push(self, scope: Scope, receive: Receive) -> Answer:
        if exchange_of(scope).method not in _PUSH_METHODS:
            return self._text(405, "method not allowed", allow=_PUSH_METHODS)
        url = read_push_url(scope["path"], scope["query_string"])
        if url is not None:
            answer = await self._take(await self._delivery_of(url, scope, receive))
            if answer is PingAnswer.TAKEN:
                return _json(200, {"ok": True})
        return _json(404, {"ok": False, "msg": "Monitor not found or not active."})

    async def _take(self, delivery: Delivery) -> PingAnswer:
        try:
            return await self._heartbeats.take(delivery)
        except BufferFullError as error:
            raise OverloadedError(retry_after_seconds=_RETRY_SECONDS) from error

    async def _delivery_of(self, url: PingUrl, scope: Scope, receive: Receive) -> Delivery:
        exchange = exchange_of(scope)
        body = await _read_start(receive, self._body_limit)
        client = scope.get("client")
        return Delivery(
            address=url.address,
            kind=url.kind,
            received=asyncio.get_running_loop().time(),
            run_id=url.run_id,
            exit_status=url.exit_status,
            told_ms=url.told_ms,
            message=url.message,
            scheme=scope.get("scheme", "http"),
            method=exchange.method,
            user_agent=exchange.headers.get(b"user-agent", b"").decode("latin-1"),
            remote_address=client[0] if client else "",
            body=body,
        )

    def _text(self, status: int, text: str, *, allow: frozenset[str] = frozenset()) -> Answer:
        headers: Headers = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"cache-control", b"no-store"),
            (b"ping-body-limit", b"%d" % self._body_limit),
            (b"access-control-allow-origin", b"*"),
            (b"access-control-expose-headers", b"Ping-Body-Limit"),
        ]
        if allow:
            headers.append((b"allow", ", ".join(sorted(allow)).encode()))
        return Answer(status, headers, text.encode())


async def _read_start(receive: Receive, limit: int) -> bytes | None:
    """The first `limit` bytes of the body, None where there are none; the rest is read and dropped."""
    kept = bytearray()
    while True:
        message = await receive()
        kept += message.get("body", b"")[: max(0, limit - len(kept))]
        if not message.get("more_body", False):
            return bytes(kept) or None


def _json(status: int, value: dict[str, object]) -> Answer:
    headers: Headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    return Answer(status, headers, orjson.dumps(value))
