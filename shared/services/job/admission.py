"""Whether a queue takes more jobs, decided from what was measured a moment ago: a submission costs no query."""

import asyncio
import time

import structlog

from shared.domain.fleet.queues import Intake, Refusal, decide_intake, start_delay_seconds
from shared.domain.job.jobs import JobKind
from shared.services.fleet.queues import FRESH_SECONDS, Queues

_log = structlog.get_logger()


class QueueRefusedError(Exception):
    """A queue takes no more; nothing was taken."""

    def __init__(self, kind: JobKind, *, retry_after_seconds: int) -> None:
        super().__init__(f"the queue {kind.value} takes no more")
        self.kind = kind
        self.retry_after_seconds = retry_after_seconds


class QueueFullError(QueueRefusedError):
    """As many jobs wait as may."""


class QueueDrainingError(QueueRefusedError):
    """The queue is worked off and takes nothing until it is resumed."""


class Admission:
    """Judges submissions of one process; what it does not know yet, it lets in.

    Between two measurements a queue can grow beyond its limit by what is submitted meanwhile.
    """

    def __init__(self, queues: Queues) -> None:
        self._queues = queues

    def check(self, kind: JobKind, count: int = 1) -> None:
        """Let `count` jobs in.

        Raises:
            QueueFullError, QueueDrainingError: the queue takes no more; they say when to ask again.
        """
        intake = self._intake(kind, count)
        if intake.refusal is Refusal.FULL:
            raise QueueFullError(kind, retry_after_seconds=intake.retry_after_seconds)
        if intake.refusal is Refusal.DRAINING:
            raise QueueDrainingError(kind, retry_after_seconds=intake.retry_after_seconds)

    def start_delay(self, kind: JobKind) -> float:
        """In how many seconds a job of this kind that is queued now is expected to start, by the latest figures."""
        reading = self._queues.latest
        return 1.0 if reading is None else start_delay_seconds(reading.figures[kind])

    async def run(self) -> None:
        """Measure until cancelled; while that fails the latest figures stand."""
        while True:
            try:
                await self._queues.measure()
            except Exception as error:  # noqa: BLE001 - whatever it is, the next look may find it gone
                _log.warning("queues_not_measured", error=repr(error))
            await asyncio.sleep(self._pause_seconds())

    def _pause_seconds(self) -> float:
        reading = self._queues.latest
        return FRESH_SECONDS if reading is None else max(reading.fresh_until - time.monotonic(), FRESH_SECONDS)

    def _intake(self, kind: JobKind, count: int) -> Intake:
        reading = self._queues.latest
        if reading is None:
            return Intake()
        return decide_intake(
            reading.figures[kind],
            reading.settings[kind],
            count=count,
            default_limit=self._queues.default_limit,
        )
