"""Who has seen an alert is told live, after it was committed."""

import asyncio
from collections.abc import Sequence

from alert_data import RULE, fires, monitor_id, subject_of
from uuid_utils.compat import uuid7

from shared.clock import utc_now
from shared.domain.alert.alerts import AlertState
from shared.domain.live import AlertTold, LiveEvent
from shared.services.alert.alerts import Alerts, NotHandled
from shared.storage.alert.alert_store import AlertStore
from shared.storage.database import Database


class Watching:
    """Alerts, and what was published of them."""

    def __init__(self, database: Database) -> None:
        self.told: list[LiveEvent] = []
        self.alerts = Alerts(database, self._hear, clock=utc_now)

    def _hear(self, events: Sequence[LiveEvent]) -> None:
        self.told += events

    def reasons(self) -> list[str]:
        return [event.reason for event in self.told if isinstance(event, AlertTold)]


async def test_an_acknowledgement_is_told_once(database: Database) -> None:
    """Of five at once one is the first; what changes nothing is not told."""
    firing = fires(subject_of())
    async with database.writing() as work:
        await AlertStore(work).apply([firing])
    watching = Watching(database)
    alert_id = firing.alert_id
    answers = await asyncio.gather(*(watching.alerts.acknowledge(alert_id, by=f"b{n}", note=None) for n in range(5)))
    assert len({answer if isinstance(answer, NotHandled) else answer.acknowledged_by for answer in answers}) == 1
    (told,) = watching.told
    assert isinstance(told, AlertTold)
    assert (told.alert_id, told.rule_id, told.monitor_id) == (alert_id, RULE, monitor_id(0))
    assert (told.state, told.reason) == (AlertState.FIRING, "acknowledged")
    for _ in range(2):
        await watching.alerts.unacknowledge(alert_id, by="b")
    await watching.alerts.acknowledge_many([alert_id, uuid7()], by="b", note=None)
    assert watching.reasons() == ["acknowledged", "unacknowledged", "acknowledged"]


async def test_nothing_is_told_of_an_alert_that_is_not_there(database: Database) -> None:
    """It is answered so."""
    watching = Watching(database)
    assert await watching.alerts.acknowledge(uuid7(), by="b", note=None) is NotHandled.UNKNOWN
    assert await watching.alerts.unacknowledge(uuid7(), by="b") is NotHandled.UNKNOWN
    assert watching.told == []
