"""What a process counts of the attempts it makes (Prometheus). Labels are kinds and outcomes, never ids."""

from prometheus_client import Counter, Histogram

from shared.domain.jobs import AttemptOutcome
from shared.domain.leases import JobEnd

# From an idle worker's few milliseconds to half an hour of work or of standing in line.
_SECONDS = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0),
)

QUEUE_WAIT = Histogram(
    "tocsin_job_queue_wait_seconds",
    "Time from when a job was due until a worker had it, pauses and limits left out.",
    ["kind"],
    buckets=_SECONDS,
)
RUN = Histogram(
    "tocsin_job_run_seconds", "Time from a job's claim until its end was known.", ["kind"], buckets=_SECONDS
)
ATTEMPTS = Counter("tocsin_attempts", "Attempts made, by how they were recorded.", ["kind", "outcome"])
LEASES_LOST = Counter("tocsin_lease_lost", "Attempts whose lease was lost before their end could be recorded.")


def count_attempt(end: JobEnd, *, outcome: AttemptOutcome) -> None:
    """Count an attempt that came to its end; `outcome` is how it was recorded."""
    claimed = end.claimed
    kind = claimed.kind.value
    QUEUE_WAIT.labels(kind).observe(max(claimed.queue_wait_ms - claimed.blocked_ms, 0.0) / 1000)
    RUN.labels(kind).observe(max((end.finished_at - claimed.started_at).total_seconds(), 0.0))
    ATTEMPTS.labels(kind, outcome.value).inc()
    if outcome is AttemptOutcome.FENCED:
        LEASES_LOST.inc()
