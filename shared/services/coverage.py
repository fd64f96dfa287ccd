"""Coverage: whether each slot was collected, on time, and why not; over any window that ends now."""

from collections.abc import Sequence
from datetime import timedelta

from shared.clock import Clock
from shared.domain.coverage import CoverageAnswer, plan_coverage
from shared.storage.coverage_store import CoverageQuestion, CoverageStore, Place
from shared.storage.database import Database
from shared.storage.rollup_state import read_rollup_state
from shared.storage.statistics_store import limited_reading

PATIENCE = timedelta(seconds=10)


class CoverageService:
    """Reads what became of the slots of monitors."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def read(self, question: CoverageQuestion, *, window: timedelta) -> tuple[CoverageAnswer, Sequence[Place]]:
        """The coverage of the window that ends now, and the place of each monitor on the page.

        Raises:
            StatsTimeoutError: it took too long.
        """
        end = self._clock()
        async with limited_reading(self._database, patience=PATIENCE) as work:
            start, segments = plan_coverage(window, end=end, horizon=await read_rollup_state(work))
            store = CoverageStore(work)
            page = await store.read(question, segments, start=start, end=end)
            scheduler = await store.read_scheduler()
        items = [item for item, _ in page.items]
        answer = CoverageAnswer(start, end, page.monitors, page.total, items, scheduler)
        return answer, [place for _, place in page.items]
