"""What happened to alerts, appended to and read in its order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row

from shared.storage.database import UnitOfWork
from shared.storage.storable import json_or_none, storable_or_none

MAX_SHOWN = 500
"""How many of an alert's events are shown, the latest."""


@dataclass(frozen=True, slots=True)
class AlertEvent:
    """Something that happened to an alert: a transition, or what a person or its escalation did.

    `event_id` grows; it is None as long as the event is not written.
    """

    alert_id: UUID
    at: datetime
    kind: str
    reason: str | None = None
    by: str | None = None
    detail: Mapping[str, Any] | None = None
    event_id: int | None = None


class AlertEventStore:
    """Alerts' history within one unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def add(self, events: Sequence[AlertEvent]) -> None:
        """Append events, in their order."""
        if not events:
            return
        await self._work.run(
            """
            insert into alert_events (alert_id, at, kind, reason, by, detail)
            select alert_id, at, kind, reason, by, detail::jsonb
            from unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[]) with ordinality
                 as n (alert_id, at, kind, reason, by, detail, place)
            order by place
            """,
            [event.alert_id for event in events],
            [event.at for event in events],
            [event.kind for event in events],
            [event.reason for event in events],
            [storable_or_none(event.by) for event in events],
            [json_or_none(event.detail) for event in events],
        )

    async def list_latest(self, alert_id: UUID, *, limit: int = MAX_SHOWN) -> list[AlertEvent]:
        """The latest events of an alert, the oldest of them first."""
        rows = await self._work.fetch(
            """
            select event_id, alert_id, at, kind, reason, by, detail::text as detail from (
                select * from alert_events where alert_id = $1 order by event_id desc limit $2) e
            order by event_id
            """,
            alert_id,
            limit,
        )
        return [_event_of(row) for row in rows]


def _event_of(row: Row[Any]) -> AlertEvent:
    detail = None if row.detail is None else msgspec.json.decode(row.detail)
    return AlertEvent(
        row.alert_id, row.at, row.kind, reason=row.reason, by=row.by, detail=detail, event_id=row.event_id
    )
