"""An API server in the test's own process, and clients that watch it."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
from api_client import ADMIN_KEY

from api.access_log import AccessLog
from api.app import create_app
from api.main import ApiServer, make_config
from api.services import ApiServices

PATIENCE_SECONDS = 30
KEY = {"Authorization": f"Bearer {ADMIN_KEY}"}


@dataclass
class LiveServer:
    """A server that listens on loopback."""

    services: ApiServices
    server: ApiServer
    port: int
    ended: "asyncio.Task[None]"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def events_url(self) -> str:
        return f"{self.url}/api/v1/events"

    @property
    def socket_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/api/v1/ws"

    def figure(self, name: str, **labels: str) -> float:
        """A figure that the server shows in its metrics."""
        return self.services.metrics.registry.get_sample_value(name, labels) or 0.0


@asynccontextmanager
async def live_server(services: ApiServices, access_log: AccessLog) -> AsyncIterator[LiveServer]:
    """Serve while the block lasts."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = ApiServer(make_config(create_app(services, access_log=access_log)), services)
        ended = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield LiveServer(services, server, listener.getsockname()[1], ended)
        finally:
            server.stop()
            await asyncio.wait_for(ended, PATIENCE_SECONDS)


@dataclass(frozen=True)
class Heard:
    """An event as a client reads it; without a name it only says how far the client is."""

    name: str
    event_id: str
    data: Any


class Watcher:
    """Reads a stream of events."""

    def __init__(self, response: httpx2.Response) -> None:
        self.response = response
        self._blocks = self._read()

    async def next(self) -> Heard:
        """The next event."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                heard = _parse(await anext(self._blocks))
                if heard.name:
                    return heard

    async def next_place(self) -> str:
        """The next id that comes without an event."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                heard = _parse(await anext(self._blocks))
                if heard.event_id and not heard.name:
                    return heard.event_id

    async def until(self, is_it: Callable[[Heard], bool]) -> list[Heard]:
        """All events up to the first that is it."""
        heard = [await self.next()]
        while not is_it(heard[-1]):
            heard.append(await self.next())
        return heard

    async def end(self) -> None:
        """Wait until the server ends the stream."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            async for _ in self._blocks:
                pass

    async def _read(self) -> AsyncIterator[str]:
        text = ""
        async for part in self.response.aiter_text():
            text += part
            while "\n\n" in text:
                block, _, text = text.partition("\n\n")
                yield block


@asynccontextmanager
async def watching(
    server: LiveServer, *, headers: dict[str, str] | None = None, **query: Any
) -> AsyncIterator[Watcher]:
    """Watch while the block lasts, from when the stream says that it is ready; that event is read already."""
    timeout = httpx2.Timeout(PATIENCE_SECONDS)
    async with (
        httpx2.AsyncClient(timeout=timeout, headers=KEY | (headers or {})) as client,
        client.stream("GET", server.events_url, params=query) as response,
    ):
        assert response.status_code == 200, await response.aread()
        yield Watcher(response)


def _parse(block: str) -> Heard:
    fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
    data = json.loads(fields["data"]) if "data" in fields else None
    return Heard(fields.get("event", ""), fields.get("id", ""), data)
