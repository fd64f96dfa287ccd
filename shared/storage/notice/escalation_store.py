"""Alerts whose next step of escalation is due: nobody has acknowledged them in time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from shared.domain.rule.rules import EscalationStep
from shared.storage.alert.alert_event_store import AlertEvent, AlertEventStore
from shared.storage.database import UnitOfWork


@dataclass(frozen=True, slots=True)
class DueAlert:
    """A locked alert whose step is due: `steps` are those of the rule as it judged, `escalated` of them were taken."""

    alert_id: UUID
    labels: Mapping[str, str]
    fingerprint: bytes
    steps: Sequence[EscalationStep]
    escalated: int
    fired_at: datetime
    now: datetime

    @property
    def channels(self) -> list[str]:
        """Whom the step that is due tells; nobody when the rule no longer says so."""
        return self.steps[self.escalated].channels if self.escalated < len(self.steps) else []

    @property
    def next_at(self) -> datetime | None:
        """When the step after that is due, counted from the firing like all."""
        following = self.escalated + 1
        return self.fired_at + self.steps[following].after if following < len(self.steps) else None


class EscalationStore:
    """Escalation within one unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def lock_due(self, *, limit: int) -> list[DueAlert]:
        """Firing alerts whose step is due and that nobody has acknowledged, locked; the longest due first."""
        rows = await self._work.fetch(
            """
            select a.alert_id, a.labels, a.fingerprint, a.escalated, a.fired_at, now() as now,
                   (select v.spec->'escalation' from alert_rule_versions v
                    where v.rule_id = a.rule_id and v.version = a.rule_version) as steps
            from alerts a
            where a.escalate_at <= now() and a.state = 'firing' and a.acknowledged_at is null
            order by a.escalate_at limit $1 for no key update of a skip locked
            """,
            limit,
        )
        return [_due_of(row) for row in rows]

    async def mark_taken(self, due: Sequence[DueAlert]) -> None:
        """Write down that the steps are taken, and when the next ones are due."""
        await self._work.run(
            """
            update alerts a set escalated = a.escalated + 1, escalate_at = n.next_at, version = a.version + 1
            from unnest($1::uuid[], $2::timestamptz[]) as n (alert_id, next_at) where a.alert_id = n.alert_id
            """,
            [each.alert_id for each in due],
            [each.next_at for each in due],
        )
        await AlertEventStore(self._work).add(
            [
                AlertEvent(
                    each.alert_id,
                    each.now,
                    "escalated",
                    detail={"step": each.escalated + 1, "channels": list(each.channels)},
                )
                for each in due
                if each.channels
            ]
        )


def _due_of(row: Row[Any]) -> DueAlert:
    steps = [EscalationStep.model_validate(step) for step in row.steps or ()]
    return DueAlert(row.alert_id, row.labels, row.fingerprint, steps, row.escalated, row.fired_at, row.now)
