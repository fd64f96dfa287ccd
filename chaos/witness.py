"""The outside world as a witness: a target and a receiver in one server, which count who came, and may keep them."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from chaos.conversation import Conversation, Request

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
        server = await asyncio.get_running_loop().create_server(lambda: Conversation(self._answer), "127.0.0.1", 0)
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

    async def _answer(self, request: Request) -> bytes:
        if request.method == "POST":
            return await self.hear(request.headers, request.body)
        return await self.meet(request.path)

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
