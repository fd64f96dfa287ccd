"""Alerts as people handle them: acknowledged, one or many, and taken back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from shared.clock import Clock
from shared.domain.alert.alerts import OPEN_STATES
from shared.domain.live import AlertTold, LiveEvent
from shared.storage.alert.acknowledgement_store import ACKNOWLEDGED, UNACKNOWLEDGED, AcknowledgementStore
from shared.storage.alert.alert_filter import AlertFilter
from shared.storage.alert.alert_reading import AlertReading, KeptAlert, OpenCount
from shared.storage.database import Database, UnitOfWork

MAX_ACKNOWLEDGED = 1_000
"""The most alerts that are acknowledged at once, in one transaction."""

Publish = Callable[[Sequence[LiveEvent]], None]


class NotHandled(StrEnum):
    """Why an alert was left as it is."""

    UNKNOWN = "unknown"
    RESOLVED = "resolved"
    """Nobody is told of it any more, so that there is nothing to acknowledge."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """How many alerts were acknowledged; `is_more`: there are others that were meant."""

    alerts: int
    is_more: bool


class Alerts:
    """Handles alerts; what it did is published after its commit."""

    def __init__(self, database: Database, publish: Publish, *, clock: Clock) -> None:
        self._database = database
        self._publish = publish
        self._clock = clock

    async def count_open(self) -> list[OpenCount]:
        """How many alerts are open, by severity and state."""
        async with self._database.transaction() as work:
            return await AlertReading(work).count_open()

    async def acknowledge(self, alert_id: UUID, *, by: str, note: str | None) -> KeptAlert | NotHandled:
        """Say that somebody has seen the alert: no reminder and no escalation follow. A repeat changes nothing."""
        async with self._database.transaction() as work:
            changed = await AcknowledgementStore(work).acknowledge([alert_id], by=by, note=note)
            found = changed[0] if changed else await _find_open(work, alert_id)
        self._tell(changed, ACKNOWLEDGED)
        return found

    async def unacknowledge(self, alert_id: UUID, *, by: str) -> KeptAlert | NotHandled:
        """Take it back: reminders and escalation go on. A repeat changes nothing."""
        async with self._database.transaction() as work:
            changed = await AcknowledgementStore(work).unacknowledge(alert_id, by=by)
            found = changed or await _find_open(work, alert_id)
        self._tell([changed] if changed else [], UNACKNOWLEDGED)
        return found

    async def acknowledge_many(self, alert_ids: Sequence[UUID], *, by: str, note: str | None) -> int:
        """Acknowledge those of the alerts that are open and not acknowledged yet; how many that were."""
        async with self._database.transaction() as work:
            changed = await AcknowledgementStore(work).acknowledge(alert_ids, by=by, note=note)
        self._tell(changed, ACKNOWLEDGED)
        return len(changed)

    async def acknowledge_matching(self, wanted: AlertFilter, *, by: str, note: str | None) -> Acknowledged:
        """Acknowledge the newest `MAX_ACKNOWLEDGED` of the open alerts that are wanted and not acknowledged yet."""
        found, is_more = await self._find_unacknowledged(wanted)
        alerts = await self.acknowledge_many(found, by=by, note=note) if found else 0
        return Acknowledged(alerts, is_more)

    async def _find_unacknowledged(self, wanted: AlertFilter) -> tuple[list[UUID], bool]:
        states = OPEN_STATES & wanted.states if wanted.states else OPEN_STATES
        if not states:
            return [], False
        wanted = replace(wanted, states=states, is_acknowledged=False)
        found: list[UUID] = []
        after: UUID | None = None
        while len(found) < MAX_ACKNOWLEDGED:
            async with self._database.transaction() as work:
                page = await AlertReading(work).list_page(wanted, after=after, limit=MAX_ACKNOWLEDGED - len(found))
            found += [alert.alert_id for alert in page.alerts]
            if page.last is None:
                return found, False
            after = page.last
        return found, True

    def _tell(self, alerts: Sequence[KeptAlert], kind: str) -> None:
        if alerts:
            self._publish([_told(alert, alert.acknowledged_at or self._clock(), kind) for alert in alerts])


async def _find_open(work: UnitOfWork, alert_id: UUID) -> KeptAlert | NotHandled:
    alert = await AlertReading(work).find(alert_id)
    if alert is None:
        return NotHandled.UNKNOWN
    return alert if alert.state in OPEN_STATES else NotHandled.RESOLVED


def _told(alert: KeptAlert, at: datetime, kind: str) -> AlertTold:
    return AlertTold(
        alert.alert_id, alert.rule_id, alert.monitor_id, alert.state, at, alert.name, alert.severity, kind
    )  # fmt: skip
