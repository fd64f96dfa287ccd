"""Windows of maintenance as they are kept."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row

from shared.domain.matchers import parse_matchers
from shared.domain.suppression.maintenance import Maintenance, MaintenanceState
from shared.storage.advisory_locks import SUPPRESSIONS
from shared.storage.database import UnitOfWork

_MILLISECOND = timedelta(milliseconds=1)
_STATE = """case when ended_at is not null or (ends_at <= $1 and cron is null) then 'ended'
                 when starts_at <= $1 and ends_at > $1 then 'running' else 'scheduled' end"""


class RunningMaintenances(NamedTuple):
    """The database's time, and the windows that run then and keep uptime clean."""

    now: datetime
    windows: Sequence[Maintenance]


class MaintenanceStore:
    """Windows within one unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def count_live(self, *, now: datetime) -> int:
        """How many have not ended; nobody else adds one until the end of this unit of work."""
        await self._work.run("select pg_advisory_xact_lock($1)", SUPPRESSIONS)
        rows = await self._work.fetch(f"select count(*) as live from maintenances where {_STATE} <> 'ended'", now)
        return int(rows[0].live)

    async def insert(self, window: Maintenance) -> None:
        """Keep a new one."""
        await self._work.run(
            """
            insert into maintenances (maintenance_id, name, selector, cron, timezone, duration_ms,
                                      is_uptime_kept_clean, starts_at, ends_at, comment, created_at, created_by)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
            """,
            window.maintenance_id,
            window.name,
            str(window.selector),
            window.cron,
            window.timezone,
            None if window.duration is None else window.duration // _MILLISECOND,
            window.is_uptime_kept_clean,
            window.starts_at,
            window.ends_at,
            window.comment,
            window.created_at,
            window.created_by,
        )

    async def find(self, maintenance_id: UUID) -> Maintenance | None:
        """The one with this id, if there is one."""
        rows = await self._work.fetch("select * from maintenances where maintenance_id = $1", maintenance_id)
        return maintenance_of(rows[0]) if rows else None

    async def lock(self, maintenance_id: UUID) -> Maintenance | None:
        """The same, its row locked."""
        rows = await self._work.fetch("select * from maintenances where maintenance_id = $1 for update", maintenance_id)
        return maintenance_of(rows[0]) if rows else None

    async def update_times(self, window: Maintenance) -> None:
        """Write when a locked one runs, and whether it has ended for good."""
        await self._work.run(
            """
            update maintenances set starts_at = $2, ends_at = $3, ended_at = $4, version = version + 1
            where maintenance_id = $1
            """,
            window.maintenance_id,
            window.starts_at,
            window.ends_at,
            window.ended_at,
        )

    async def list_page(
        self, states: Sequence[MaintenanceState], *, now: datetime, after: UUID | None, limit: int
    ) -> list[Maintenance]:
        """At most `limit` in any of the states, or in any at all, the newest first; those behind the one `after`."""
        rows = await self._work.fetch(
            f"""
            select * from maintenances where ($2::text[] = '{{}}' or {_STATE} = any($2::text[]))
              and ($3::uuid is null or maintenance_id < $3) order by maintenance_id desc limit $4
            """,
            now,
            [state.value for state in states],
            after,
            limit,
        )
        return [maintenance_of(row) for row in rows]

    async def read_clock(self) -> datetime:
        """The moment of this unit of work, by the database's clock."""
        rows = await self._work.fetch("select now() as now")
        now: datetime = rows[0].now
        return now

    async def list_running(self) -> RunningMaintenances:
        """Those that keep uptime clean and run now, by the database's clock."""
        rows = await self._work.fetch(
            """
            select now() as now, w.* from (select now()) as n left join maintenances w
            on w.ended_at is null and w.starts_at <= now() and w.ends_at > now() and w.is_uptime_kept_clean
            """
        )
        return RunningMaintenances(rows[0].now, [maintenance_of(row) for row in rows if row.maintenance_id is not None])

    async def lock_over(self, *, limit: int) -> list[Maintenance]:
        """Windows that are over and hold no monitor any more, locked; those that somebody holds are passed over."""
        rows = await self._work.fetch(
            """
            select * from maintenances w where ended_at is null and ends_at <= now()
              and not exists (select from maintenance_members m where m.maintenance_id = w.maintenance_id)
            order by maintenance_id limit $1 for update skip locked
            """,
            limit,
        )
        return [maintenance_of(row) for row in rows]

    async def forget(self, *, before: datetime, limit: int) -> int:
        """Delete at most `limit` that ended before a moment; how many were."""
        written = await self._work.run(
            """
            delete from maintenances where maintenance_id in (
                select maintenance_id from maintenances where ended_at < $1 order by ended_at limit $2
                for update skip locked)
            """,
            before,
            limit,
        )
        return written.rowcount


def maintenance_of(row: Row[Any]) -> Maintenance:
    """The window whose columns a statement returns."""
    return Maintenance(
        maintenance_id=row.maintenance_id,
        name=row.name,
        selector=parse_matchers(row.selector),
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        cron=row.cron,
        timezone=row.timezone,
        duration=None if row.duration_ms is None else row.duration_ms * _MILLISECOND,
        is_uptime_kept_clean=row.is_uptime_kept_clean,
        ended_at=row.ended_at,
        comment=row.comment,
        created_at=row.created_at,
        created_by=row.created_by,
    )
