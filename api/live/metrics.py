"""What is counted of live events, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class LiveMetrics:
    """The series of one API process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.streams = Gauge("tocsin_streams", "Clients that watch live.", ("transport",), registry=registry)
        self.sent = Counter("tocsin_live_events_sent", "Events sent to clients.", ("transport",), registry=registry)
        self.resumed = Counter(
            "tocsin_streams_resumed", "Clients that came back and missed nothing.", registry=registry
        )
        self.resets = Counter(
            "tocsin_live_resets", "Clients that were told to read again, by why.", ("reason",), registry=registry
        )
        self.cut = Counter("tocsin_streams_cut", "Clients cut because they were too slow.", ("why",), registry=registry)
