"""Coverage: whether each slot was collected, on time, and why not; over any window that ends now."""

from collections import OrderedDict
from collections.abc import Sequence
from datetime import timedelta

from shared.clock import Clock
from shared.domain.monitor.coverage import CoverageAnswer, plan_coverage
from shared.domain.monitor.uptime import Window
from shared.domain.sample.segments import Segment, Source
from shared.storage.database import Database
from shared.storage.monitor.coverage_store import ClosedSums, CoverageQuestion, CoverageStore, Place
from shared.storage.sample.rollup_state import read_rollup_state
from shared.storage.sample.statistics_store import limited_reading

PATIENCE = timedelta(seconds=10)
MAX_KEPT = 4
"""Windows whose closed hours are remembered; each 28 bytes a monitor."""

Segments = tuple[Segment, ...]


class CoverageService:
    """Reads what became of the slots of monitors."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._closed: OrderedDict[tuple[int, Segments], ClosedSums] = OrderedDict()

    async def read(self, question: CoverageQuestion, *, window: timedelta) -> tuple[CoverageAnswer, Sequence[Place]]:
        """The coverage of the window that ends now, and the place of each monitor on the page.

        Raises:
            StatsTimeoutError: it took too long.
        """
        end = self._clock()
        async with limited_reading(self._database, patience=PATIENCE) as work:
            horizon = await read_rollup_state(work)
            start, segments = plan_coverage(window, end=end, horizon=horizon)
            store, closed = CoverageStore(work), ClosedSums()
            if question.is_of_all:
                segments, over = _split(segments)
                closed = await self._sums_of(store, over, corrections=horizon.corrections)
            page = await store.read(question, segments, closed, Window(start, end))
            scheduler = await store.read_scheduler()
        items = [item for item, _ in page.items]
        answer = CoverageAnswer(start, end, page.monitors, page.total, items, scheduler)
        return answer, [place for _, place in page.items]

    async def _sums_of(self, store: CoverageStore, segments: Segments, *, corrections: int) -> ClosedSums:
        """The sums of hours and days, kept as long as nothing of them was computed anew."""
        key = (corrections, segments)
        sums = self._closed.get(key) or await store.sum_up(segments)
        self._closed[key] = sums
        self._closed.move_to_end(key)
        while len(self._closed) > MAX_KEPT:
            self._closed.popitem(last=False)
        return sums


def _split(segments: Segments) -> tuple[Segments, Segments]:
    """What has to be counted sample by sample, and what is over."""
    samples = tuple(segment for segment in segments if segment.source is Source.RAW)
    return samples, tuple(segment for segment in segments if segment.source is not Source.RAW)
