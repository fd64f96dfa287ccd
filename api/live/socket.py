"""Live events over a WebSocket (RFC 6455): several subscriptions in one connection, changed while it stands."""

import asyncio
from collections import deque
from contextlib import suppress
from typing import assert_never

import orjson
import structlog
from starlette.types import Scope
from starlette.websockets import WebSocket, WebSocketDisconnect

from api.live.connection import BlockedError, breaker_of, write
from api.live.hub import LiveHub
from api.live.socket_messages import MESSAGE, Authenticate, Ping, Subscribe, Unsubscribe
from api.live.subscription import Subscription
from api.problem_kinds import INTERNAL_ERROR
from api.problems import invalid_input, problem_json, problem_of
from api.validation import read_model
from shared.tasks import end_tasks

TRANSPORT = "ws"
MAX_SUBSCRIPTIONS = 20
MAX_REPLIES = 100
"""Answers that wait for a client which asks and does not read; then it is cut."""

SILENCE_SECONDS = 15.0
PROBLEM_CODE = 4000
"""A close code that tells of a problem is this and its status; 4000 to 4999 are left to applications (RFC 6455)."""

GOING_AWAY = 1001
_log = structlog.get_logger()


class LiveSocket:
    """One accepted connection of a client that may watch."""

    def __init__(self, socket: WebSocket, hub: LiveHub) -> None:
        self._socket = socket
        self._hub = hub
        self._scope: Scope = dict(socket.scope)
        self._bell = asyncio.Event()
        self._subscriptions: dict[str, Subscription] = {}
        self._replies: deque[bytes] = deque()
        self._sent = hub.metrics.sent.labels(TRANSPORT)

    async def run(self) -> None:
        """Do what the client asks and tell it events, until it leaves, is too slow, or the process stops."""
        reading = asyncio.create_task(self._read())
        reading.add_done_callback(lambda _: self._bell.set())
        try:
            await self._tell(reading)
            await self._end(reading)
        except BlockedError:
            self._cut("blocked")
        except WebSocketDisconnect:
            if self._is_behind:
                self._count_cut("behind")
        finally:
            await end_tasks([reading])
            for subscription in self._subscriptions.values():
                self._hub.unsubscribe(subscription)

    async def _read(self) -> None:
        """Do what the client says until it leaves.

        Raises:
            ProblemError: it said what cannot be understood or done.
        """
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            if message.get("text") is None:
                raise invalid_input([{"detail": "Send text, not binary messages", "pointer": ""}])
            await self._do(message["text"].encode())
            self._bell.set()

    async def _do(self, text: bytes) -> None:
        match read_model(MESSAGE, text):
            case Subscribe() as wanted:
                await self._subscribe(wanted)
            case Unsubscribe(subscription=name):
                self._unsubscribe(name)
                self._reply({"type": "unsubscribed", "subscription": name})
            case Ping():
                self._reply({"type": "pong"})
            case Authenticate():
                self._reply({"type": "authenticated"})
            case unknown:
                assert_never(unknown)

    async def _subscribe(self, wanted: Subscribe) -> None:
        self._unsubscribe(wanted.subscription)
        if len(self._subscriptions) >= MAX_SUBSCRIPTIONS:
            detail = f"a connection has at most {MAX_SUBSCRIPTIONS} subscriptions"
            raise invalid_input([{"detail": detail, "pointer": "/subscription"}])
        self._subscriptions[wanted.subscription] = await self._hub.subscribe(
            wanted.filter.filter_of(), after=wanted.after, bell=self._bell, on_cut=breaker_of(self._scope)
        )

    def _unsubscribe(self, name: str) -> None:
        subscription = self._subscriptions.pop(name, None)
        if subscription is not None:
            self._hub.unsubscribe(subscription)

    def _reply(self, answer: dict[str, str]) -> None:
        self._replies.append(orjson.dumps(answer))

    @property
    def _is_behind(self) -> bool:
        return len(self._replies) > MAX_REPLIES or any(each.is_cut for each in self._subscriptions.values())

    async def _tell(self, reading: "asyncio.Task[None]") -> None:
        while not (reading.done() or self._is_behind or self._hub.is_closed):
            self._bell.clear()
            if await self._write_some():
                continue
            if all(each.is_idle for each in self._subscriptions.values()):
                await self._rest()
            else:
                # Much of the past is looked through in steps, between which others have their turn.
                await asyncio.sleep(0)

    async def _write_some(self) -> bool:
        """Send answers, then a bundle of each subscription; whether there was anything."""
        replies, self._replies = self._replies, deque()
        for reply in replies:
            await self._write(reply)
        events = 0
        for name, subscription in list(self._subscriptions.items()):
            bundle = subscription.take()
            head = b'{"subscription":"%b",' % name.encode()
            for told in () if bundle is None else bundle.events:
                await self._write(head + told.json + b"}")
                events += 1
        self._sent.inc(events)
        return bool(replies or events)

    async def _rest(self) -> None:
        """Wait for the bell; after a long silence tell where the client is by now."""
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                await self._bell.wait()
        except TimeoutError:
            if self._subscriptions:
                await self._write(orjson.dumps({"type": "place", "id": str(self._hub.place)}))

    async def _write(self, text: bytes) -> None:
        await write(self._socket.send, {"type": "websocket.send", "text": text.decode()})

    async def _end(self, reading: "asyncio.Task[None]") -> None:
        if self._is_behind:
            self._cut("behind")
        elif not reading.done():
            await close(self._socket, GOING_AWAY, "the server stops")
        elif (error := reading.exception()) is not None:
            await close_with(self._socket, error)

    def _cut(self, why: str) -> None:
        self._count_cut(why)
        breaker_of(self._scope)()

    def _count_cut(self, why: str) -> None:
        self._hub.metrics.cut.labels(why).inc()
        _log.info("stream_cut", transport=TRANSPORT, why=why)


async def close_with(socket: WebSocket, error: BaseException) -> None:
    """Tell what is wrong in a message, whose problem is that of any answer, and close with its status.

    Raises:
        BaseException: the error itself, when it is no exception that can be told.
    """
    if not isinstance(error, Exception):
        raise error
    problem = problem_of(error)
    if problem.kind is INTERNAL_ERROR:
        _log.error("socket_failed", exc_info=error)
    text = orjson.dumps({"type": "problem", "problem": problem_json(problem)}).decode()
    with suppress(BlockedError):
        await write(socket.send, {"type": "websocket.send", "text": text})
        await close(socket, PROBLEM_CODE + problem.kind.status, problem.kind.title)


async def close(socket: WebSocket, code: int, reason: str) -> None:
    """Close the connection; a reason has at most 123 bytes (RFC 6455, 5.5)."""
    await write(socket.send, {"type": "websocket.close", "code": code, "reason": reason[:120]})
