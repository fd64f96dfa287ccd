"""What a process tells of itself beside its log: spans over OTLP, errors to Sentry; each only when it is configured.

Like the log it is set up once per process and used from anywhere. What is not configured is not imported either.
"""

from shared.telemetry.errors import report_error
from shared.telemetry.spans import (
    NO_SPAN,
    Span,
    SpanKind,
    current_trace,
    is_tracing,
    note_failure,
    span,
    with_traceparent,
)

__all__ = [
    "NO_SPAN",
    "Span",
    "SpanKind",
    "current_trace",
    "is_tracing",
    "note_failure",
    "report_error",
    "span",
    "with_traceparent",
]
