"""Spans sent in batches over OTLP/HTTP by OpenTelemetry's own SDK; imported only when an endpoint is configured."""

import logging
import threading
import time
from collections.abc import Sequence

import structlog
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)
from opentelemetry.trace import Span as SdkSpan
from opentelemetry.trace import SpanKind as SdkSpanKind

from shared.domain.traces import TraceContext
from shared.telemetry.spans import Attributes, SpanKind, SpanStart

_log = structlog.get_logger()

QUEUE_SPANS = 4096
"""Spans that wait to be sent; beyond it the oldest are dropped."""
BATCH_SPANS = 512
EVERY_SECONDS = 1.0
SEND_SECONDS = 5.0
"""How long one batch is tried to be sent, repeats included; it is dropped then."""
CLOSE_SECONDS = 3.0
MAX_LINKS = 64

_KINDS = {
    SpanKind.SERVER: SdkSpanKind.SERVER,
    SpanKind.CLIENT: SdkSpanKind.CLIENT,
    SpanKind.CONSUMER: SdkSpanKind.CONSUMER,
    SpanKind.INTERNAL: SdkSpanKind.INTERNAL,
}


class OtlpTracer:
    """Records the share `ratio` of the traces begun here, and those of others that are sampled.

    `endpoint` is the collector's base address, to which `/v1/traces` is added.
    """

    def __init__(self, endpoint: str, *, ratio: float, service: str, version: str, instance: str) -> None:
        # The SDK would write a traceback for each batch that does not arrive.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=SEND_SECONDS)
        self._exporter = _ToldOnce(exporter)
        self._processor = BatchSpanProcessor(
            self._exporter,
            max_queue_size=QUEUE_SPANS,
            max_export_batch_size=BATCH_SPANS,
            schedule_delay_millis=EVERY_SECONDS * 1000,
        )
        resource = Resource.create(
            {"service.name": service, "service.version": version, "service.instance.id": instance}
        )
        provider = TracerProvider(
            resource=resource, sampler=ParentBased(TraceIdRatioBased(ratio)), shutdown_on_exit=False
        )
        provider.add_span_processor(self._processor)
        self._tracer = provider.get_tracer("tocsin", version)

    def start(self, start: SpanStart) -> "_OtlpRecording":
        """Begin a span."""
        # Never the SDK's own idea of a parent: whose trace it is goes by our context alone.
        parent = Context()
        if start.parent is not None:
            parent = set_span_in_context(NonRecordingSpan(_span_context(start.parent)), parent)
        began = time.time_ns() - int(start.seconds_ago * 1e9)
        return _OtlpRecording(
            self._tracer.start_span(
                start.name,
                context=parent,
                kind=_KINDS[start.kind],
                attributes=start.attributes,
                links=[Link(_span_context(link)) for link in start.links[:MAX_LINKS]],
                start_time=began,
            )
        )

    def close(self) -> None:
        """Send what is left, for a few seconds at most."""
        # The SDK would try for half a minute.
        closing = threading.Thread(target=self._processor.shutdown, name="otlp-close", daemon=True)
        closing.start()
        closing.join(CLOSE_SECONDS)
        if closing.is_alive():
            self._exporter.note_lost(1)


class _OtlpRecording:
    """One span of the SDK."""

    __slots__ = ("_span", "trace")

    def __init__(self, span: SdkSpan) -> None:
        self._span = span
        context = span.get_span_context()
        self.trace = TraceContext(f"{context.trace_id:032x}", f"{context.span_id:016x}", int(context.trace_flags) & 3)

    def annotate(self, attributes: Attributes) -> None:
        """Add attributes."""
        self._span.set_attributes(attributes)

    def rename(self, name: str) -> None:
        """Give it another name."""
        self._span.update_name(name)

    def fail(self, reason: str) -> None:
        """Say that it failed, by the name of the reason."""
        self._span.set_status(Status(StatusCode.ERROR, reason))
        self._span.set_attribute("error.type", reason)

    def end(self) -> None:
        """It took until now."""
        self._span.end()


class _ToldOnce(SpanExporter):
    """An exporter whose failing is logged when it begins and when it ends, and not for each batch."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._lost = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch."""
        result = self._exporter.export(spans)
        if result is not SpanExportResult.SUCCESS:
            self.note_lost(len(spans))
        elif self._lost:
            _log.info("spans_sent_again", lost=self._lost)
            self._lost = 0
        return result

    def note_lost(self, spans: int) -> None:
        """So many spans, or more, will not arrive."""
        if not self._lost:
            _log.warning("spans_not_sent", setting="TOCSIN_OTLP_ENDPOINT")
        self._lost += spans

    def shutdown(self) -> None:
        """Stop sending, also what is being tried again."""
        self._exporter.shutdown()


def _span_context(trace: TraceContext) -> SpanContext:
    return SpanContext(
        trace_id=int(trace.trace_id, 16),
        span_id=int(trace.span_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(trace.flags),
    )
