"""What the API counts, for Prometheus; labels are bounded: route templates, methods and statuses."""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)

from api.exchange import Exchange
from shared.domain.job.jobs import JobKind
from shared.storage.slow_queries import SLOW_QUERIES
from shared.telemetry.alert_metrics import ALERT_CHANGES

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class ApiMetrics:
    """The series of one API process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.registry.register(SLOW_QUERIES)
        self.registry.register(ALERT_CHANGES)
        self._describe_requests()
        self._describe_queues()
        self._describe_capacity()

    def _describe_requests(self) -> None:
        self._requests = Histogram(
            "tocsin_http_request_seconds",
            "Time to answer a request.",
            ("route", "method", "status"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._children: dict[tuple[str, str, int], Histogram] = {}
        self.submissions = Counter(
            "tocsin_submissions_total", "Jobs asked for.", ("kind", "outcome"), registry=self.registry
        )
        self.pending = Gauge(
            "tocsin_submissions_pending", "Submissions that wait for a commit.", registry=self.registry
        )
        self.waiters = Gauge("tocsin_waiters", "Requests held open by Prefer: wait.", registry=self.registry)

    def _describe_queues(self) -> None:
        self.jobs = Gauge(
            "tocsin_jobs",
            "Jobs that have not ended, counted up to a bound.",
            ("queue", "state"),
            registry=self.registry,
        )
        self.blocked = Gauge(
            "tocsin_jobs_blocked",
            "Due jobs that a pause or a limit holds back, counted up to a bound.",
            ("queue", "reason"),
            registry=self.registry,
        )
        self.oldest = Gauge(
            "tocsin_queue_oldest_seconds",
            "How long the oldest due job has waited for a worker.",
            ("queue",),
            registry=self.registry,
        )

        self.alerts = Gauge("tocsin_alerts", "Alerts that are open.", ("state",), registry=self.registry)
        self.channels = Gauge("tocsin_channels", "Channels, by how they fare.", ("state",), registry=self.registry)

    def _describe_capacity(self) -> None:
        self.desired_workers = Gauge(
            "tocsin_capacity_desired_workers",
            "Workers that scheduled collection takes, for autoscalers.",
            registry=self.registry,
        )
        self.scheduled_rate = Gauge(
            "tocsin_capacity_scheduled_per_second",
            "Looks at monitors that are due in a second.",
            registry=self.registry,
        )
        self.checks_rate = Gauge(
            "tocsin_capacity_checks_per_second",
            "Looks at monitors that all workers took in a second of the last minute.",
            registry=self.registry,
        )

    def observe_request(self, exchange: Exchange, method: str, *, seconds: float) -> None:
        """Count a request that was answered."""
        key = (exchange.route, method if method in _METHODS else "other", exchange.status)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = self._requests.labels(key[0], key[1], str(exchange.status))
        child.observe(seconds)

    def count_submission(self, kind: JobKind, outcome: str) -> None:
        """Count a submission; `outcome` is a name of what became of it, one of six."""
        self.submissions.labels(kind.value, outcome).inc()
