"""A small HTTP target where nginx is missing: one answer to everything."""

import asyncio
import sys
from typing import cast

import uvloop

from bench.targets import BODY, HOSTS

_HEAD = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
_ANSWER = (_HEAD + BODY).encode()


class Target(asyncio.Protocol):
    """Answers each request of a connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; uvloop's is a write transport without saying so."""
        self.transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer once the head is there; the client closes."""
        if data.endswith(b"\r\n\r\n"):
            self.transport.write(_ANSWER)


async def serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Target, list(HOSTS), port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
