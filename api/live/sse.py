"""Live events as server-sent events (HTML Living Standard, 9.2), as a browser's `EventSource` reads them."""

import asyncio

import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.exchange import exchange_of
from api.live.connection import BlockedError, break_off, breaker_of, watch, write
from api.live.hub import LiveHub
from api.live.subscription import Subscription
from shared.domain.live_filters import LiveFilter

HEARTBEAT_SECONDS = 15.0
"""Proxies close what is silent for longer, 30 s and more."""

MAX_WRITE_BYTES = 64 * 1024
TRANSPORT = "sse"
_RETRY = b"retry: 2000\n\n"
"""After how many milliseconds a browser comes back."""

_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    # nginx would gather what is sent.
    (b"x-accel-buffering", b"no"),
]
_log = structlog.get_logger()


class EventStream(Response):
    """An answer that goes on until the client leaves, the process stops, or the client is too slow."""

    def __init__(self, hub: LiveHub, wanted: LiveFilter, *, after: str | None) -> None:
        super().__init__(media_type="text/event-stream")
        self._hub = hub
        self._wanted = wanted
        self._after = after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream the events.

        Raises:
            ProblemError: there are too many streams already.
        """
        bell = asyncio.Event()
        with self._hub.admit(TRANSPORT):
            if exchange_of(scope).method == "HEAD":
                await _start(send)
                await send({"type": "http.response.body"})
                return
            subscription = await self._hub.subscribe(
                self._wanted, after=self._after, bell=bell, on_cut=breaker_of(scope)
            )
            gone = watch(receive, bell, left="http.disconnect")
            try:
                await _start(send)
                await self._stream(subscription, bell, gone, send)
                await self._end(subscription, gone, scope, send)
            except BlockedError:
                self._count_cut("blocked")
                await break_off(scope, gone)
            finally:
                self._hub.unsubscribe(subscription)
                gone.cancel()

    async def _stream(
        self, subscription: Subscription, bell: asyncio.Event, gone: "asyncio.Task[None]", send: Send
    ) -> None:
        """Send what there is as it comes, until there is a reason to stop."""
        sent = self._hub.metrics.sent.labels(TRANSPORT)
        await write(send, _body(_RETRY))
        while not (gone.done() or subscription.is_cut or self._hub.is_closed):
            bell.clear()
            body, events = _gather(subscription)
            if body:
                await write(send, _body(body))
                sent.inc(events)
            elif subscription.is_idle:
                await self._rest(bell, send)
            else:
                # Much of the past is looked through in steps, between which others have their turn.
                await asyncio.sleep(0)

    async def _rest(self, bell: asyncio.Event, send: Send) -> None:
        """Wait for the bell; after a long silence say that we are there, and where the client is by now."""
        try:
            async with asyncio.timeout(HEARTBEAT_SECONDS):
                await bell.wait()
        except TimeoutError:
            await write(send, _body(b": still here\nid: %b\n\n" % str(self._hub.place).encode()))

    async def _end(self, subscription: Subscription, gone: "asyncio.Task[None]", scope: Scope, send: Send) -> None:
        """End the answer; of a client that is behind the connection, since an end would stand in line too."""
        if subscription.is_cut:
            self._count_cut("behind")
            await break_off(scope, gone)
        elif not gone.done():
            await write(send, {"type": "http.response.body"})

    def _count_cut(self, why: str) -> None:
        self._hub.metrics.cut.labels(why).inc()
        _log.info("stream_cut", transport=TRANSPORT, why=why)


def _gather(subscription: Subscription) -> tuple[bytes, int]:
    """What is to be sent next, and how many events that are."""
    parts: list[bytes] = []
    size = events = 0
    while size < MAX_WRITE_BYTES and (bundle := subscription.take()) is not None:
        if not bundle.events:
            break
        parts.append(bundle.sse)
        size += bundle.size
        events += len(bundle.events)
    return b"".join(parts), events


async def _start(send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": list(_HEADERS)})


def _body(body: bytes) -> dict[str, object]:
    return {"type": "http.response.body", "body": body, "more_body": True}
