"""What a worker process counts of itself (Prometheus)."""

from prometheus_client import Counter, Gauge, Histogram

from shared.domain.dispatch import RepairReason

STALE_RINGS = Counter("tocsin_stale_rings", "Rings that started nothing.", ["queue"])
UPKEEP = Counter("tocsin_upkeep_jobs", "Jobs that upkeep moved, by duty.", ["duty"])
UPKEEP_FAILURES = Counter("tocsin_upkeep_failures", "Runs of a duty that failed.", ["duty"])
UPKEEP_SECONDS = Histogram(
    "tocsin_upkeep_seconds",
    "How long a run of a duty took.",
    ["duty"],
    buckets=(0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100),
)
SLOTS = Gauge("tocsin_worker_slots", "How many jobs this worker runs at once at most.")
BUSY = Gauge("tocsin_worker_busy", "How many jobs this worker has the lease of.")
LOOP_LAG = Histogram(
    "tocsin_worker_loop_lag_seconds",
    "How much later than asked for the event loop woke, ten times a second.",
    buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30),
)
RINGS_REPAIRED = Counter("tocsin_rings_repaired", "Rings that upkeep put into Redis, or took out as stale.", ["reason"])


def count_repairs(reason: RepairReason, rings: int) -> None:
    """Count rings that were repaired."""
    RINGS_REPAIRED.labels(reason=reason.value).inc(rings)
