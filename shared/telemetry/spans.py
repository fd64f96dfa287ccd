"""Spans: what took how long, as part of whose trace. Unrecorded unless tracing is on, but the trace is handed on."""

from collections.abc import Mapping, Sequence
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from enum import StrEnum
from types import TracebackType
from typing import Protocol, Self

import structlog

from shared.domain.traces import TraceContext

HEADER = "traceparent"

Attributes = Mapping[str, str | int | float]

_current: ContextVar[TraceContext | None] = ContextVar("tocsin_trace", default=None)


class SpanKind(StrEnum):
    """Where a span stands between the programs of its trace, in OpenTelemetry's words."""

    SERVER = "server"
    CLIENT = "client"
    CONSUMER = "consumer"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class SpanStart:
    """A span about to be recorded. `seconds_ago` is when it began, for what is told at its end only."""

    name: str
    kind: SpanKind
    parent: TraceContext | None = None
    links: Sequence[TraceContext] = ()
    attributes: Attributes = field(default_factory=dict)
    seconds_ago: float = 0.0


class Recording(Protocol):
    """A span that is being recorded."""

    @property
    def trace(self) -> TraceContext:
        """What whoever is called from this span gets as its parent."""
        ...

    def annotate(self, attributes: Attributes) -> None:
        """Add attributes."""
        ...

    def rename(self, name: str) -> None:
        """Give it another name."""
        ...

    def fail(self, reason: str) -> None:
        """Say that it failed, by the name of the reason."""
        ...

    def end(self) -> None:
        """It took until now."""
        ...


class Tracer(Protocol):
    """Records spans and sends them away, without ever holding up who makes them."""

    def start(self, start: SpanStart) -> Recording:
        """Begin a span."""
        ...

    def close(self) -> None:
        """Send what is left, for a few seconds at most."""
        ...


class _Process:
    """What the process records with; None as long as tracing is off."""

    tracer: Tracer | None = None


def set_tracer(tracer: Tracer | None) -> None:
    """Turn tracing on, or off, for the process."""
    _Process.tracer = tracer


class Span:
    """A block of work. Within it the trace is at hand, for who is called from it and on each line of the log."""

    __slots__ = ("_bound", "_recording", "_token", "_trace")

    def __init__(self, trace: TraceContext | None, recording: Recording | None = None) -> None:
        self._trace = trace
        self._recording = recording
        self._token: Token[TraceContext | None] | None = None
        self._bound: Mapping[str, Token[object]] = {}

    @property
    def is_recorded(self) -> bool:
        """Whether what is told of it goes anywhere."""
        return self._recording is not None

    def annotate(self, attributes: Attributes) -> None:
        """Add attributes."""
        if self._recording is not None:
            self._recording.annotate(attributes)

    def rename(self, name: str) -> None:
        """Give it a name known only now."""
        if self._recording is not None:
            self._recording.rename(name)

    def fail(self, reason: str) -> None:
        """Say that it failed: a code or an error's type, never a message, which may hold what is secret."""
        if self._recording is not None:
            self._recording.fail(reason)

    def __enter__(self) -> Self:
        if self._trace is not None:
            self._token = _current.set(self._trace)
            self._bound = structlog.contextvars.bind_contextvars(
                trace_id=self._trace.trace_id, span_id=self._trace.span_id
            )
        return self

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        if self._recording is not None:
            # Being cancelled is no failure of the work.
            if isinstance(error, Exception):
                self._recording.fail(type(error).__name__)
            self._recording.end()
        if self._token is not None:
            _current.reset(self._token)
            structlog.contextvars.reset_contextvars(**self._bound)


NO_SPAN = Span(None)
"""What is neither recorded nor part of a trace."""


def is_tracing() -> bool:
    """Whether spans are recorded, for what is worth preparing only then."""
    return _Process.tracer is not None


def current_trace() -> TraceContext | None:
    """The trace that the work at hand is part of, if any."""
    return _current.get()


def span(
    name: str,
    kind: SpanKind,
    *,
    parent: TraceContext | None = None,
    links: Sequence[TraceContext] = (),
    attributes: Attributes | None = None,
) -> Span:
    """A span of `parent`'s trace, else of the one at hand, else of a new one; to be entered by `with`.

    With tracing off nothing is recorded, and the block is part of `parent` itself: a program that does not take part in
    a trace hands it on as it came (W3C Trace Context, 3.3).
    """
    tracer = _Process.tracer
    if tracer is None:
        return NO_SPAN if parent is None else Span(parent)
    recording = tracer.start(SpanStart(name, kind, parent or _current.get(), links, attributes or {}))
    return Span(recording.trace, recording)


def note_failure(name: str, error: Exception, *, seconds: float) -> None:
    """Record work that failed after `seconds`, where its successes are too many and too dull to be recorded."""
    if _Process.tracer is not None:
        recording = _Process.tracer.start(SpanStart(name, SpanKind.INTERNAL, _current.get(), seconds_ago=seconds))
        recording.fail(type(error).__name__)
        recording.end()


def with_traceparent(headers: Mapping[str, str]) -> Mapping[str, str]:
    """The headers of a request with the trace at hand, if any; a `traceparent` among them stays as it is."""
    trace = _current.get()
    if trace is None or any(name.lower() == HEADER for name in headers):
        return headers
    return {**headers, HEADER: str(trace)}
