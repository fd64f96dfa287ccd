"""What a process counts of the attempts it makes (Prometheus). Labels are kinds and outcomes, never ids."""

from prometheus_client import Counter, Histogram

from shared.domain.job.jobs import AttemptOutcome, JobKind
from shared.domain.job.leases import JobEnd

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


_Series = tuple[Histogram, Histogram, Counter]
_of_attempts: dict[tuple[JobKind, AttemptOutcome], _Series] = {}
"""Looking series up by their labels would take longer than to count."""


def count_attempt(end: JobEnd, *, outcome: AttemptOutcome) -> None:
    """Count an attempt that came to its end; `outcome` is how it was recorded."""
    claimed = end.claimed
    waits, runs, attempts = _series_of(claimed.kind, outcome)
    waits.observe(max(claimed.queue_wait_ms - claimed.blocked_ms, 0.0) / 1000)
    runs.observe(max((end.finished_at - claimed.started_at).total_seconds(), 0.0))
    attempts.inc()
    if outcome is AttemptOutcome.FENCED:
        LEASES_LOST.inc()


def _series_of(kind: JobKind, outcome: AttemptOutcome) -> _Series:
    series = _of_attempts.get((kind, outcome))
    if series is None:
        named = QUEUE_WAIT.labels(kind.value), RUN.labels(kind.value), ATTEMPTS.labels(kind.value, outcome.value)
        series = _of_attempts[kind, outcome] = named
    return series
