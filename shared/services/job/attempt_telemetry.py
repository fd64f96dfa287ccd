"""An attempt as those see it who watch Tocsin: a span of its job's trace, and the figures of this process."""

from shared.domain.job.jobs import AttemptOutcome
from shared.domain.job.leases import ClaimedJob, JobEnd
from shared.domain.traces import parse_traceparent
from shared.telemetry import Span, SpanKind, is_tracing, span
from shared.telemetry.job_metrics import count_attempt

_NAME = "process"


def attempt_span(claimed: ClaimedJob) -> Span:
    """The span of one try, told by OpenTelemetry's conventions for messaging: a consumer that processes a message.

    It is a child of the request that submitted the job, and linked to it, so that both readings of the convention find
    it. A job without a trace begins one.
    """
    submitted = parse_traceparent(claimed.traceparent)
    if not is_tracing():
        return span(_NAME, SpanKind.CONSUMER, parent=submitted)
    return span(
        f"{_NAME} {claimed.queue}",
        SpanKind.CONSUMER,
        parent=submitted,
        links=[] if submitted is None else [submitted],
        attributes={
            "messaging.system": "tocsin",
            "messaging.operation.type": "process",
            "messaging.operation.name": _NAME,
            "messaging.destination.name": claimed.queue,
            "messaging.message.id": str(claimed.job_id),
            "tocsin.job.kind": claimed.kind.value,
            "tocsin.job.attempt": claimed.attempt,
            "tocsin.job.queue_wait_ms": claimed.queue_wait_ms,
        },
    )


def tell_attempt(attempted: Span, end: JobEnd, *, outcome: AttemptOutcome) -> None:
    """Count the attempt and say how it went; `outcome` is how it was recorded."""
    count_attempt(end, outcome=outcome)
    if not attempted.is_recorded:
        return
    attempted.annotate({"tocsin.job.outcome": outcome.value, "tocsin.job.state": end.state.value})
    if end.failure is not None:
        attempted.fail(end.failure.code)
    elif outcome is AttemptOutcome.FENCED:
        attempted.fail(outcome.value)
