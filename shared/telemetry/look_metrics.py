"""What a process counts of the looks it takes at monitors (Prometheus)."""

from prometheus_client import Histogram

LOOK_LAG = Histogram(
    "tocsin_look_lag_seconds",
    "How late looks at monitors began, by their slots.",
    buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.25, 0.5, 1, 3, 10, 30),
)


def note_lag(lag_ms: float) -> None:
    """A look began so late, in milliseconds."""
    LOOK_LAG.observe(lag_ms / 1000)
