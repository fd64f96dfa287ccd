"""Live events: what a thousand clients that watch cost the API, and how late they hear."""

import argparse
import asyncio
import os
import time
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import quantiles
from typing import cast
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import uvloop
from redis.asyncio import Redis

from bench.harness import Servers, servers
from bench.programs import HttpProgram, create_key, tocsin_api
from bench.report import number, publish, table
from shared.clock import utc_now
from shared.domain.live import SampleTold
from shared.domain.target.outcome import Outcome
from shared.live_events import LiveEvents

OPENING = 50
"""Clients that connect at once."""

SETTLE_SECONDS = 2.0
_READY = b"ready"
_SWITCHING = b"HTTP/1.1 101"
_MASK = b"\0\0\0\0"


@dataclass
class Tally:
    """What all clients have heard; latencies in milliseconds, of every hundredth write."""

    events: int = 0
    writes: int = 0
    open: int = 0
    latencies: list[float] = field(default_factory=list)


class Client(asyncio.Protocol):
    """Counts events in what comes, and keeps nothing of it."""

    def __init__(self, request: bytes, wish: bytes, tally: Tally, mark: bytes) -> None:
        self.is_ready = asyncio.get_running_loop().create_future()
        self._request = request
        self._wish = wish
        self._tally = tally
        self._mark = mark
        self._transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        self._transport = cast(asyncio.WriteTransport, transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Count."""
        if not self.is_ready.done():
            if data.startswith(_SWITCHING):
                self._transport.write(self._wish)
            if _READY in data:
                self.is_ready.set_result(None)
                self._tally.open += 1
            return
        tally = self._tally
        tally.events += data.count(self._mark)
        tally.writes += 1
        if tally.writes % 100 == 0 and (place := data.rfind(b'"duration_ms":')) >= 0:
            # The sender puts its clock into the duration.
            sent = float(data[place + 14 : data.index(b",", place)])
            tally.latencies.append((time.monotonic() - sent) * 1000)

    def connection_lost(self, _: Exception | None) -> None:
        """Count who is gone."""
        self._tally.open -= 1

    def close(self) -> None:
        """Leave."""
        self._transport.close()


@dataclass(frozen=True)
class Scene:
    """How many clients watch what, by which transport, and how many events a second each is told."""

    name: str
    transport: str
    clients: int
    per_second: int
    is_own: bool

    def request(self, monitor_id: UUID, *, key: str, host: str) -> bytes:
        """What one client sends to begin."""
        head = f"Host: {host}\r\nAuthorization: Bearer {key}\r\n"
        if self.transport == "sse":
            query = f"?monitor={monitor_id}" if self.is_own else ""
            return f"GET /api/v1/events{query} HTTP/1.1\r\n{head}\r\n".encode()
        upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        upgrade += f"Sec-WebSocket-Key: {b64encode(os.urandom(16)).decode()}\r\n"
        return f"GET /api/v1/ws HTTP/1.1\r\n{head}{upgrade}\r\n".encode()

    def wish(self, monitor_id: UUID) -> bytes:
        """What a client says in its WebSocket: a masked frame with a short text (RFC 6455, 5.2)."""
        wanted = f'{{"monitor":["{monitor_id}"]}}' if self.is_own else "{}"
        text = f'{{"type":"subscribe","filter":{wanted}}}'.encode()
        return bytes((0x81, 0x80 | len(text))) + _MASK + text

    @property
    def mark(self) -> bytes:
        """What each event has once."""
        return b"\nevent: sample\n" if self.transport == "sse" else b'"type":"sample"'


def scenes(clients: int) -> Iterator[Scene]:
    """What is measured."""
    for transport in ("sse", "ws"):
        yield Scene("each its own monitor", transport, clients, 1, is_own=True)
        yield Scene("all the same", transport, clients, 1, is_own=False)
        yield Scene("all the same", transport, clients, 10, is_own=False)


async def measure(scene: Scene, program: HttpProgram, live: LiveEvents, *, key: str, seconds: float) -> Sequence[str]:
    """Open the clients, tell events at a steady rate, and say what it cost."""
    tally = Tally()
    ids = [uuid4() for _ in range(scene.clients)]
    opened = await open_clients(scene, program, ids, tally, key=key)
    await asyncio.sleep(SETTLE_SECONDS)
    idle = await cpu_of(program, seconds / 2)
    before, began = program.process.cpu_seconds, time.monotonic()
    told = await tell(scene, live, ids, seconds=seconds)
    expected = told if scene.is_own else told * scene.clients
    await settle(tally, expected)
    busy = (program.process.cpu_seconds - before) / (time.monotonic() - began)
    kept = tally.open
    for client in opened:
        client.close()
    latencies = quantiles(tally.latencies, n=100) if len(tally.latencies) > 1 else [0.0] * 99
    return (
        f"{scene.transport}, {scene.name}",
        f"{scene.clients:,}",
        f"{scene.per_second}/s",
        f"{tally.events:,} of {expected:,}",
        f"{kept:,}",
        f"{idle * 100:.1f} %",
        f"{busy * 100:.1f} %",
        f"{number(busy / (scene.clients * scene.per_second) * 1e6)} us",
        f"{number(latencies[49])} / {number(latencies[98])} ms",
    )


async def open_clients(
    scene: Scene, program: HttpProgram, ids: Sequence[UUID], tally: Tally, *, key: str
) -> list[Client]:
    """Connect all, some at once, and wait until each is told that it is ready."""
    loop = asyncio.get_running_loop()
    parts = urlsplit(program.url)
    assert parts.hostname is not None
    assert parts.port is not None
    clients: list[Client] = []
    for start in range(0, len(ids), OPENING):
        part = [
            Client(scene.request(each, key=key, host=parts.netloc), scene.wish(each), tally, scene.mark)
            for each in ids[start : start + OPENING]
        ]
        for client in part:
            await loop.create_connection(lambda client=client: client, parts.hostname, parts.port)  # type: ignore[misc]
        await asyncio.wait_for(asyncio.gather(*(client.is_ready for client in part)), 60)
        clients += part
    return clients


async def tell(scene: Scene, live: LiveEvents, ids: Sequence[UUID], *, seconds: float) -> int:
    """Tell events, spread evenly; how many that were."""
    per_second = scene.per_second * (len(ids) if scene.is_own else 1)
    begin, told = time.monotonic(), 0
    while (passed := time.monotonic() - begin) < seconds:
        due = int(passed * per_second) + 1 - told
        live.publish_soon(
            SampleTold(ids[(told + number) % len(ids)], utc_now(), Outcome.UP, time.monotonic())
            for number in range(due)
        )
        told += due
        await asyncio.sleep(min(0.01, 1 / per_second))
    await live.drain()
    return told


async def settle(tally: Tally, expected: int) -> None:
    """Wait until all is heard, for some seconds at most."""
    deadline = time.monotonic() + 10
    while tally.events < expected and time.monotonic() < deadline:  # noqa: ASYNC110 - a count rings no bell
        await asyncio.sleep(0.01)


async def cpu_of(program: HttpProgram, seconds: float) -> float:
    """The share of a core that the API takes for a while."""
    before, began = program.process.cpu_seconds, time.monotonic()
    await asyncio.sleep(seconds)
    return (program.process.cpu_seconds - before) / (time.monotonic() - began)


async def run(running: Servers, program: HttpProgram, *, key: str, clients: int, seconds: float) -> str:
    """Measure all scenes, one after the other."""
    redis = Redis.from_url(running.redis_url)
    live = LiveEvents(redis)
    rows = [await measure(scene, program, live, key=key, seconds=seconds) for scene in scenes(clients)]
    await live.close()
    await redis.aclose()
    headings = (
        "what",
        "clients",
        "events each",
        "heard",
        "open at the end",
        "idle",
        "busy",
        "CPU an event",
        "p50 / p99",
    )
    return table(headings, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=10.0)
    asked = parser.parse_args()
    with servers() as running, tocsin_api(running) as program:
        key = create_key(running)
        text = uvloop.run(run(running, program, key=key, clients=asked.clients, seconds=asked.seconds))
    note = "CPU is that of the API's process, of one core; latency is from the sender's call to the client's callback."
    publish("live", [text, note])


if __name__ == "__main__":
    main()
