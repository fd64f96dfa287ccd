"""A monitor whose samples are stored and judged by a rule in one transaction, as the recorder does."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from monitor_data import MonitorData, monitor_id_of, plant_monitors
from notice_site import NoticeSite
from sample_data import sample
from uuid_utils.compat import uuid7

from shared.clock import utc_now
from shared.domain.judging.judgements import MonitorNews, NewSample
from shared.domain.monitor.standing import MonitorState, StateChange
from shared.domain.rule.rule_documents import RULE_DOCUMENT
from shared.domain.sample.sample_columns import microseconds_of
from shared.domain.sample.samples import Sample
from shared.domain.target.outcome import Outcome
from shared.storage.database import Database
from shared.storage.judging.alert_judge import AlertJudge
from shared.storage.judging.rule_book import RuleBook
from shared.storage.rule.rule_store import RuleStore
from shared.storage.sample.sample_store import SampleStore

STEP = timedelta(seconds=10)
MONITOR = monitor_id_of(1)


class JudgedSite:
    """Watches the monitor "shop" of the group "web" every ten seconds, from `start` on."""

    def __init__(self, database: Database, *, start: datetime | None = None) -> None:
        self.database = database
        self.notices = NoticeSite(database)
        self.start = start or (utc_now() - timedelta(minutes=10)).replace(microsecond=0)
        self._book = RuleBook()
        self._slots = 0

    async def watch(self, *changes: StateChange) -> None:
        """The monitor, up from the start unless told."""
        states = changes or (StateChange(self.start, MonitorState.UP),)
        data = MonitorData(MONITOR, states, name="shop", group="web", labels={"team": "web"}, interval=STEP)
        await plant_monitors(self.database, [data])

    async def rule(self, expression: str, **fields: object) -> UUID:
        """A rule that tells the channel "ops"."""
        rule_id = uuid7()
        document = {"name": "slow", "selector": "team=web", "expression": expression, "channels": ["ops"], **fields}
        spec = RULE_DOCUMENT.validate_python(document).spec
        async with self.database.transaction() as work:
            store = RuleStore(work)
            await store.lock_all()
            await store.insert(rule_id, spec, by="tests")
        return rule_id

    async def sample(self, *durations: float, outcome: Outcome = Outcome.UP) -> None:
        """Samples in the next slots, which take so many milliseconds, and what the rules make of them."""
        async with self.database.transaction() as work:
            rows = await work.fetch("select series_id from monitors where monitor_id = $1", MONITOR)
            slots = [self.start + (self._slots + number) * STEP for number in range(len(durations))]
            samples = [
                _sample(rows[0].series_id, slot, duration, outcome)
                for slot, duration in zip(slots, durations, strict=True)
            ]
            await SampleStore(work).record_slots(samples)
            await self._judge(work, slots, samples)
        self._slots += len(durations)

    async def alert_ids(self) -> list[UUID]:
        """All alerts, the oldest first."""
        return [row.alert_id for row in await self.notices.rows("select alert_id from alerts order by alert_id")]

    async def _judge(self, work: object, slots: Sequence[datetime], samples: Sequence[Sample]) -> None:
        news = MonitorNews(
            MONITOR,
            None,
            MonitorState.UP,
            slots[-1],
            [
                NewSample(slot, microseconds_of(slot) // 1000, each.reading)
                for slot, each in zip(slots, samples, strict=True)
            ],
            is_first=self._slots == 0,
        )
        applied = await AlertJudge(work, self._book).judge([news])  # type: ignore[arg-type]
        self.notices.rings += applied.rings


def _sample(series_id: int, slot: datetime, duration: float, outcome: Outcome) -> Sample:
    plain = sample(series_id, slot, duration, outcome=outcome)
    return Sample(plain.job_id, 0, series_id, "http", plain.reading, slot=slot)
