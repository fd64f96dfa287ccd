"""Receivers of JSON for tests: they note what they are sent, and answer by the path."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from http_servers import Seen, Server, answer, serve

Answer = tuple[str, Any] | tuple[str, Any, dict[str, str]]
"""The status line, the body as JSON or text, and headers if there are any."""


@dataclass
class Sent:
    """One request as it came in: where, and its body."""

    path: str
    body: Any
    headers: Mapping[str, str]


@dataclass
class JsonReceiver:
    """What a receiver was sent; `answers` decides by path and body what it says, and can be exchanged meanwhile."""

    server: Server
    answers: Callable[[Sent], Answer]
    sent: list[Sent] = field(default_factory=list)

    def bodies(self, path: str) -> list[Any]:
        """What was sent to a path, in its order."""
        return [each.body for each in self.sent if each.path == path]


@asynccontextmanager
async def receive_json(answers: Callable[[Sent], Answer]) -> AsyncIterator[JsonReceiver]:
    """Listen while the block runs."""
    held: list[JsonReceiver] = []

    async def handle(seen: Seen, writer: asyncio.StreamWriter) -> None:
        sent = Sent(seen.path, json.loads(seen.body), seen.headers)
        held[0].sent.append(sent)
        status, body, *headers = held[0].answers(sent)
        raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        writer.write(answer(raw, status=status, headers=headers[0] if headers else None))
        await writer.drain()

    async with serve(handle) as server:
        held.append(JsonReceiver(server, answers))
        yield held[0]
