"""Reads alerts as people see them: one, a page, or how many there are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row

from shared.domain.alert.alert_changes import AlertSource
from shared.domain.alert.alerts import AlertState
from shared.storage.alert.alert_filter import AlertFilter, terms_of
from shared.storage.database import UnitOfWork
from shared.storage.tables.alerts import OPEN

SCANNED_AT_ONCE = 1_000
MAX_SCANNED = 5_000
"""How many alerts one page looks at for what SQL cannot find; a page may then be short, and its cursor leads on."""

COLUMNS = """
    alert_id, source, fingerprint, rule_id, rule_version, monitor_id, name, severity, labels::text as labels,
    annotations::text as annotations, state, started_at, fired_at, resolved_at, expires_at, reason,
    evidence::text as evidence, is_flapping, acknowledged_at, acknowledged_by, acknowledged_note, escalated,
    escalate_at, generator_url, version
"""


@dataclass(frozen=True, slots=True)
class KeptAlert:
    """An alert as it is kept; the fields are the table's."""

    alert_id: UUID
    source: AlertSource
    fingerprint: bytes
    rule_id: UUID | None
    rule_version: int | None
    monitor_id: UUID | None
    name: str
    severity: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    state: AlertState
    started_at: datetime
    fired_at: datetime | None
    resolved_at: datetime | None
    expires_at: datetime | None
    reason: str
    evidence: Mapping[str, Any]
    is_flapping: bool
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    acknowledged_note: str | None
    escalated: int
    escalate_at: datetime | None
    generator_url: str | None
    version: int


@dataclass(frozen=True, slots=True)
class AlertPage:
    """Alerts, the newest first; `last` is where the next page goes on, None when there is nothing more."""

    alerts: Sequence[KeptAlert]
    last: UUID | None


@dataclass(frozen=True, slots=True)
class OpenCount:
    """How many alerts of a severity are in an open state, and how many of them somebody has acknowledged."""

    severity: str
    state: AlertState
    alerts: int
    acknowledged: int


class AlertReading:
    """Reads alerts within one unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def find(self, alert_id: UUID) -> KeptAlert | None:
        """The alert, if there is one."""
        rows = await self._work.fetch(f"select {COLUMNS} from alerts where alert_id = $1", alert_id)
        return alert_of(rows[0]) if rows else None

    async def list_page(self, wanted: AlertFilter, *, after: UUID | None, limit: int) -> AlertPage:
        """At most `limit` alerts older than `after`, the newest first; fewer where few of those looked at match."""
        found: list[KeptAlert] = []
        scanned = 0
        at_once = limit + 1
        while scanned < MAX_SCANNED:
            seen = await self._fetch(wanted, after, at_once)
            for alert in seen:
                if not wanted.lets_through(dict(alert.labels)):
                    continue
                if len(found) == limit:
                    return AlertPage(found, found[-1].alert_id)
                found.append(alert)
            if len(seen) < at_once:
                return AlertPage(found, None)
            after = seen[-1].alert_id
            scanned += len(seen)
            at_once = SCANNED_AT_ONCE
        return AlertPage(found, after)

    async def _fetch(self, wanted: AlertFilter, after: UUID | None, limit: int) -> list[KeptAlert]:
        terms, values = terms_of(wanted, after=after)
        rows = await self._work.fetch(
            f"select {COLUMNS} from alerts where {terms} order by alert_id desc limit ${len(values) + 1}",
            *values,
            limit,
        )
        return [alert_of(row) for row in rows]

    async def count_open(self) -> list[OpenCount]:
        """How many alerts are open, by severity and state."""
        rows = await self._work.fetch(
            f"""
            select severity, state, count(*) as alerts, count(acknowledged_at) as acknowledged
            from alerts where {OPEN} group by severity, state order by severity, state
            """
        )
        return [OpenCount(row.severity, AlertState(row.state), row.alerts, row.acknowledged) for row in rows]

    async def count_of_monitor(self, monitor_id: UUID) -> dict[AlertState, int]:
        """How many alerts of a monitor are in each state in which they are open."""
        rows = await self._work.fetch(
            f"select state, count(*) as alerts from alerts where monitor_id = $1 and {OPEN} group by state", monitor_id
        )
        return {AlertState(row.state): row.alerts for row in rows}


def alert_of(row: Row[Any]) -> KeptAlert:
    """The alert in a row of `COLUMNS`."""
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name of a row's mapping
    read = {name: msgspec.json.decode(values[name]) for name in ("labels", "annotations", "evidence")}
    return KeptAlert(**values | read | {"source": AlertSource(row.source), "state": AlertState(row.state)})
