"""What a round reads of its monitors before it looks at them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from shared.domain.monitor.looks import WatchedMonitor
from shared.storage.database import UnitOfWork
from shared.storage.monitor.schedule_store import schedule_of


@dataclass(frozen=True, slots=True)
class RoundMonitor:
    """A monitor with its target as it is kept: JSON, sealed as a whole when it holds secrets."""

    watched: WatchedMonitor
    target: str
    is_sealed: bool
    secret_names: tuple[str, ...]


class RoundStore:
    """Reads for rounds within one unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def find_monitors(self, monitor_ids: Sequence[UUID]) -> dict[UUID, RoundMonitor]:
        """The monitors as they stand now; those that were deleted are missing."""
        rows = await self._work.fetch(
            """
            select monitor_id, version, name, kind, series_id, interval_ms, cron, timezone, confirmations, confirm_ms,
                   paused_at, target, is_sealed, secret_names
            from monitors where monitor_id = any($1::uuid[])
            """,
            list(monitor_ids),
        )
        return {row.monitor_id: _monitor_of(row) for row in rows}

    async def find_written(self, slots: Sequence[tuple[int, datetime]]) -> set[tuple[int, datetime]]:
        """Which of these (series, slot) have their sample already."""
        rows = await self._work.fetch(
            """
            select p.series_id, p.ts from unnest($1::int4[], $2::timestamptz[]) w (series_id, ts)
            join sample p using (series_id, ts)
            """,
            [series_id for series_id, _ in slots],
            [slot for _, slot in slots],
        )
        return {(row.series_id, row.ts) for row in rows}


def _monitor_of(row: Row[Any]) -> RoundMonitor:
    watched = WatchedMonitor(
        monitor_id=row.monitor_id,
        version=row.version,
        name=row.name,
        kind=row.kind,
        series_id=row.series_id,
        schedule=schedule_of(row),
        confirmations=row.confirmations,
        confirm_interval=timedelta(milliseconds=row.confirm_ms),
        paused_at=row.paused_at,
    )
    return RoundMonitor(watched, row.target, row.is_sealed, tuple(row.secret_names))
