"""What a process counts of the notices it sends (Prometheus)."""

from collections.abc import Iterable
from datetime import datetime

from prometheus_client import Counter, Histogram

from shared.domain.notice.notices import NoticeContent

NOTICES = Counter("tocsin_notices", "Notices that ended, by the kind of their channel and how.", ["kind", "state"])
NOTICE_SECONDS = Histogram(
    "tocsin_notice_seconds",
    "From the moment at which an alert fired to the delivery of the first notice that tells it.",
    buckets=(0.1, 0.3, 1, 3, 5, 7, 10, 30, 60, 300, 3600, 14400, 86400),
)


def count_ended(ended: Iterable[tuple[str, str]]) -> None:
    """Count notices that ended, each by its channel's kind and its state."""
    for kind, state in ended:
        NOTICES.labels(kind=kind, state=state).inc()


def note_delivered(content: NoticeContent, *, now: datetime) -> None:
    """A notice was delivered."""
    for alert in content.alerts:
        if alert.is_news and alert.status == "firing":
            NOTICE_SECONDS.observe(max(0.0, (now - alert.starts_at).total_seconds()))
