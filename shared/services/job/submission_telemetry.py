"""The commit of submissions as a span: one for all that share it, linked to the trace of each."""

from collections.abc import Sequence

from shared.domain.job.jobs import NewJob
from shared.domain.traces import parse_traceparent
from shared.telemetry import NO_SPAN, Span, SpanKind, is_tracing, span


def commit_span(jobs: Sequence[NewJob]) -> Span:
    """A child of one trace that is sampled, so that a lonely submission's trace is whole, and linked to the others."""
    if not is_tracing():
        return NO_SPAN
    traces = dict.fromkeys(trace for job in jobs if (trace := parse_traceparent(job.traceparent)))
    ordered = sorted(traces, key=lambda trace: not trace.is_sampled)
    return span(
        "commit jobs",
        SpanKind.INTERNAL,
        parent=ordered[0] if ordered else None,
        links=ordered[1:],
        attributes={"db.system.name": "postgresql", "tocsin.jobs": len(jobs)},
    )
