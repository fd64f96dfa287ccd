"""Receivers of what Tocsin tells of itself: an OpenTelemetry collector's HTTP side, and Sentry's."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from http_servers import Seen, answer, serve
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

PATIENCE_SECONDS = 60
ThingT = TypeVar("ThingT")


@dataclass
class Received(Generic[ThingT]):
    """What came so far, in the order of its coming; `url` is where it is sent to."""

    url: str = ""
    things: list[ThingT] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, is_there: Callable[[list[ThingT]], object]) -> list[ThingT]:
        """Wait until what came is what is waited for."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not is_there(self.things):
                self.came.clear()
                await self.came.wait()
        return self.things

    def add(self, raw: bytes, things: list[ThingT]) -> None:
        """Something came."""
        self.raw.append(raw)
        self.things += things
        self.came.set()


@dataclass(frozen=True)
class ReceivedSpan:
    """A span as a collector reads it."""

    service: str
    name: str
    kind: int
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, Any]
    links: list[str]
    is_error: bool


@asynccontextmanager
async def otlp_receiver() -> AsyncIterator[Received[ReceivedSpan]]:
    """A collector that keeps the spans it is sent."""
    received: Received[ReceivedSpan] = Received()

    async def take(seen: Seen, writer: asyncio.StreamWriter) -> None:
        assert (seen.method, seen.path) == ("POST", "/v1/traces")
        received.add(seen.body, read_spans(seen.body))
        writer.write(answer(b"", headers={"Content-Type": "application/x-protobuf", "Connection": "close"}))
        await writer.drain()

    async with serve(take) as server:
        received.url = server.url("")
        yield received


@asynccontextmanager
async def sentry_receiver() -> AsyncIterator[Received[dict[str, Any]]]:
    """What keeps the events that Sentry's envelopes bring; `url` is the DSN."""
    received: Received[dict[str, Any]] = Received()

    async def take(seen: Seen, writer: asyncio.StreamWriter) -> None:
        body = gzip.decompress(seen.body) if seen.headers.get("content-encoding") == "gzip" else seen.body
        received.add(body, read_events(body))
        writer.write(answer(b"{}", headers={"Connection": "close"}))
        await writer.drain()

    async with serve(take) as server:
        received.url = f"http://publickey@127.0.0.1:{server.port}/7"
        yield received


def read_spans(body: bytes) -> list[ReceivedSpan]:
    """The spans of one OTLP request."""
    request = ExportTraceServiceRequest.FromString(body)
    return [
        _read_span(
            span, service=next(a.value.string_value for a in part.resource.attributes if a.key == "service.name")
        )
        for part in request.resource_spans
        for scope in part.scope_spans
        for span in scope.spans
    ]


def _read_span(span: Span, *, service: str) -> ReceivedSpan:
    return ReceivedSpan(
        service=service,
        name=span.name,
        kind=span.kind,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        attributes={a.key: getattr(a.value, a.value.WhichOneof("value") or "string_value") for a in span.attributes},
        links=[link.span_id.hex() for link in span.links],
        is_error=span.status.code == 2,
    )


def read_events(envelope: bytes) -> list[dict[str, Any]]:
    """The events of an envelope: a header, then headers and payloads by turns, each on a line of its own."""
    lines = envelope.splitlines()[1:]
    return [
        json.loads(payload)
        for header, payload in zip(lines[::2], lines[1::2], strict=True)
        if json.loads(header)["type"] == "event"
    ]
