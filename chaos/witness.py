"""The outside world as a witness: a target and a receiver in one server, which count who came, and may keep them."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import cast

import httptools
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
_UP = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{"status":"UP"}'
_TAKEN = b"HTTP/1.1 204 No Content\r\n\r\n"
_FORGED = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"


class Witness:
    """Counts the GETs of each path, and the genuine webhooks of each `webhook-id`.

    An answer takes up to `most_seconds`, so that whoever dies dies in the middle of something.
    """

    def __init__(self, *, most_seconds: float = 0) -> None:
        self._most_seconds = most_seconds
        self.visits: Counter[str] = Counter()
        self.told: Counter[str] = Counter()
        self.forged = 0
        self.port = 0
        self._webhook = Webhook(SECRET)
        self._kept: set[str] = set()
        self._waiting: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []

    def url(self, path: str) -> str:
        """The address of a path here."""
        return f"http://127.0.0.1:{self.port}{path}"

    @asynccontextmanager
    async def serve(self) -> AsyncIterator["Witness"]:
        """Listen on a free port of loopback while the block runs."""
        server = await asyncio.get_running_loop().create_server(lambda: _Conversation(self), "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            self.release(*self._kept)
            server.close()

    def keep(self, path: str) -> None:
        """Let those who visit the path wait for their answer."""
        self._kept.add(path)

    def release(self, *paths: str) -> None:
        """Answer those who were kept at the paths, and whoever comes later."""
        self._kept.difference_update(paths)
        self._look_again()

    async def visited(self, path: str, *, times: int = 1, within_seconds: float = 60) -> None:
        """Wait until the path was visited so often."""
        async with asyncio.timeout(within_seconds):
            await self._until(lambda: self.visits[path] >= times)

    async def meet(self, path: str) -> bytes:
        """Count a visit, and answer once the path is free."""
        self.visits[path] += 1
        self._look_again()
        await self._until(lambda: path not in self._kept)
        await self._take_time()
        return _UP

    async def hear(self, headers: dict[str, str], body: bytes) -> bytes:
        """Count a webhook whose signature is right (Standard Webhooks), and answer."""
        try:
            self._webhook.verify(body, headers)
        except WebhookVerificationError:
            self.forged += 1
            return _FORGED
        self.told[headers["webhook-id"]] += 1
        await self._take_time()
        return _TAKEN

    async def _take_time(self) -> None:
        if self._most_seconds:
            await asyncio.sleep(random.uniform(0, self._most_seconds))

    async def _until(self, is_so: Callable[[], bool]) -> None:
        if not is_so():
            future = asyncio.get_running_loop().create_future()
            self._waiting.append((is_so, future))
            await future

    def _look_again(self) -> None:
        for is_so, future in self._waiting:
            if not future.done() and is_so():
                future.set_result(None)
        self._waiting = [(is_so, future) for is_so, future in self._waiting if not future.done()]


class _Conversation(asyncio.Protocol):
    """One connection; its requests are answered one after the other."""

    def __init__(self, witness: Witness) -> None:
        self._witness = witness
        self._parser = httptools.HttpRequestParser(self)
        self._answers: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()

    def connection_lost(self, _error: Exception | None) -> None:
        for answer in self._answers:
            answer.cancel()

    def on_message_begin(self) -> None:
        self._path = ""
        self._headers: dict[str, str] = {}
        self._body = b""

    def on_url(self, url: bytes) -> None:
        self._path += url.decode()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode().lower()] = value.decode()

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        is_told = self._parser.get_method() == b"POST"
        coming = self._witness.hear(self._headers, self._body) if is_told else self._witness.meet(self._path)
        answer = asyncio.ensure_future(self._answer(coming))
        self._answers.add(answer)
        answer.add_done_callback(self._answers.discard)

    async def _answer(self, coming: Awaitable[bytes]) -> None:
        self._transport.write(await coming)
