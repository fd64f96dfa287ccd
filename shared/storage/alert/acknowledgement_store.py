"""Who has seen an alert: written to it, and to its history."""

from collections.abc import Sequence
from uuid import UUID

from shared.storage.alert.alert_event_store import AlertEvent, AlertEventStore
from shared.storage.alert.alert_reading import COLUMNS, KeptAlert, alert_of
from shared.storage.database import UnitOfWork
from shared.storage.storable import storable, storable_or_none
from shared.storage.tables.alerts import OPEN

ACKNOWLEDGED, UNACKNOWLEDGED = "acknowledged", "unacknowledged"
"""What the history calls it."""


class AcknowledgementStore:
    """Acknowledges alerts within one unit of work, locking them in the order of their ids."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def acknowledge(self, alert_ids: Sequence[UUID], *, by: str, note: str | None) -> list[KeptAlert]:
        """Acknowledge the alerts that are open and that nobody has acknowledged; answers those, as they are now.

        Whoever was first stands.
        """
        rows = await self._work.fetch(
            f"""
            with held as (
                select alert_id from alerts
                where alert_id = any($1::uuid[]) and {OPEN} and acknowledged_at is null
                order by alert_id for no key update
            )
            update alerts a
            set acknowledged_at = now(), acknowledged_by = $2, acknowledged_note = $3, version = version + 1
            where alert_id in (select alert_id from held)
            returning {COLUMNS}
            """,
            list(alert_ids),
            storable(by),
            storable_or_none(note),
        )
        alerts = [alert_of(row) for row in rows]
        detail = None if note is None else {"note": note}
        await self._note([_event_of(alert, ACKNOWLEDGED, by=by, detail=detail) for alert in alerts])
        return alerts

    async def unacknowledge(self, alert_id: UUID, *, by: str) -> KeptAlert | None:
        """Take the acknowledgement of an open alert back; the alert as it is now, None when there was nothing to do."""
        rows = await self._work.fetch(
            f"""
            update alerts
            set acknowledged_at = null, acknowledged_by = null, acknowledged_note = null, version = version + 1
            where alert_id = $1 and {OPEN} and acknowledged_at is not null
            returning {COLUMNS}
            """,
            alert_id,
        )
        if not rows:
            return None
        (clock,) = await self._work.fetch("select now() as now")
        await self._note([AlertEvent(alert_id, clock.now, UNACKNOWLEDGED, by=by)])
        return alert_of(rows[0])

    async def _note(self, events: Sequence[AlertEvent]) -> None:
        await AlertEventStore(self._work).add(events)


def _event_of(alert: KeptAlert, kind: str, *, by: str, detail: dict[str, str] | None) -> AlertEvent:
    at = alert.acknowledged_at
    if at is None:
        raise ValueError("an alert that is acknowledged says since when")
    return AlertEvent(alert.alert_id, at, kind, by=by, detail=detail)
