"""What every flow that changes what is known of monitors does for alerts: judge within its transaction, ring after."""

from collections.abc import Callable, Sequence

from shared.domain.job.jobs import Ring
from shared.domain.live import LiveEvent
from shared.storage.alert.alert_store import Applied
from shared.storage.database import UnitOfWork
from shared.storage.judging.alert_judge import AlertJudge
from shared.storage.judging.rule_book import RuleBook

RingSoon = Callable[[Sequence[Ring]], None]
"""Rings for jobs that were committed, in the background; never waited for."""
Publish = Callable[[Sequence[LiveEvent]], None]
"""Tells what was committed to whoever watches, in the background; never waited for."""


class Alerting:
    """A process's rule book, and how it tells what became of alerts."""

    def __init__(self, ring: RingSoon, publish: Publish) -> None:
        self._ring = ring
        self._publish = publish
        self.book = RuleBook()

    def judge(self, work: UnitOfWork) -> AlertJudge:
        """Whoever judges within a unit of work."""
        return AlertJudge(work, self.book)

    def tell(self, applied: Applied) -> None:
        """Tell what was committed."""
        if applied.rings:
            self._ring(applied.rings)
        if applied.events:
            self._publish(applied.events)
