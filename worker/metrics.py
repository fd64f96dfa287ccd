"""What a worker process counts of itself (Prometheus)."""

from collections.abc import Mapping

from prometheus_client import Counter, Gauge, Histogram

from shared.domain.job.dispatch import RepairReason
from shared.domain.monitor.slots import GapReason
from shared.services.monitor.scheduling import ScheduleReport

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
EGRESS_UP = Gauge(
    "tocsin_worker_egress_up", "Whether one of this worker's canaries answers, 1 or 0; -1 when it has none."
)
RINGS_REPAIRED = Counter("tocsin_rings_repaired", "Rings that upkeep put into Redis, or took out as stale.", ["reason"])

LOOKS_SCHEDULED = Counter("tocsin_looks_scheduled", "Looks at monitors that this worker handed out in rounds.")
ROUNDS_MADE = Counter("tocsin_rounds_made", "Rounds that this worker made of what was due.")
SLOTS_MISSED = Counter("tocsin_slots_missed", "Slots that this worker found were not collected.", ["reason"])
SCHEDULE_OVERDUE = Gauge(
    "tocsin_schedule_overdue_seconds", "How late the longest due monitor was when this worker last scheduled."
)
OVERLOADED = Gauge("tocsin_overloaded", "Whether more is due than the workers do, as this worker last saw it.")


def count_repairs(reason: RepairReason, rings: int) -> None:
    """Count rings that were repaired."""
    RINGS_REPAIRED.labels(reason=reason.value).inc(rings)


def note_schedule(report: ScheduleReport) -> None:
    """Show what a turn of the schedule did."""
    LOOKS_SCHEDULED.inc(report.visits)
    ROUNDS_MADE.inc(report.rounds)
    SCHEDULE_OVERDUE.set(report.overdue_seconds)
    OVERLOADED.set(report.is_overloaded)
    count_missed(report.missed)


def count_missed(missed: Mapping[GapReason, int]) -> None:
    """Count slots that were not collected."""
    for reason, slots in missed.items():
        SLOTS_MISSED.labels(reason=reason.value).inc(slots)
