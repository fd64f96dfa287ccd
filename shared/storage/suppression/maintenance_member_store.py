"""Which monitors a window of maintenance has put into the state `maintenance`, and which it has to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from shared.domain.matchers import Matchers
from shared.domain.monitor.standing import MonitorState
from shared.domain.suppression.maintenance import MaintainedMonitor, Maintenance
from shared.storage.database import UnitOfWork
from shared.storage.matcher_sql import SEEN_LABELS
from shared.storage.suppression.maintenance_store import maintenance_of

PAGE = 2_000
"""How many monitors are looked through at once, some 5 ms."""


@dataclass(frozen=True, slots=True)
class SeenMonitor:
    """A monitor that is not paused, as windows choose it."""

    monitor_id: UUID
    labels: Mapping[str, str]
    is_maintained: bool
    members_of: frozenset[UUID]


class MaintenanceMemberStore:
    """Memberships within one unit of work; rows are written while the monitors' states are locked."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def list_seen(self, *, within: timedelta | None, after: UUID) -> list[SeenMonitor]:
        """A page of monitors that are not paused in the order of their ids, those changed within a time or all."""
        rows = await self._work.fetch(
            f"""
            select m.monitor_id, ({SEEN_LABELS})::text as labels, s.state = $2 as is_maintained,
                   array(select maintenance_id from maintenance_members e where e.monitor_id = m.monitor_id) as members
            from monitors m join monitor_states s using (monitor_id)
            where m.monitor_id > $1 and m.paused_at is null
              and ($3::interval is null or m.updated_at > now() - $3::interval)
            order by m.monitor_id limit $4
            """,
            after,
            MonitorState.MAINTENANCE.code,
            within,
            PAGE,
        )
        return [
            SeenMonitor(row.monitor_id, msgspec.json.decode(row.labels), row.is_maintained, frozenset(row.members))
            for row in rows
        ]

    async def count_selected(self, selector: Matchers) -> int:
        """How many monitors match now."""
        count, after = 0, UUID(int=0)
        while True:
            rows = await self._work.fetch(
                f"""
                select m.monitor_id, ({SEEN_LABELS})::text as labels from monitors m where m.monitor_id > $1
                order by m.monitor_id limit $2
                """,
                after,
                PAGE,
            )
            if not rows:
                return count
            after = rows[-1].monitor_id
            count += sum(selector.matches(msgspec.json.decode(row.labels)) for row in rows)

    async def count_members(self, maintenance_id: UUID) -> int:
        """How many monitors a window holds in the state `maintenance`."""
        rows = await self._work.fetch(
            "select count(*) as held from maintenance_members where maintenance_id = $1", maintenance_id
        )
        return int(rows[0].held)

    async def list_leavers(self, *, limit: int) -> list[UUID]:
        """Monitors that are in a window which does not run any more, or are gone or paused, in the order of ids."""
        rows = await self._work.fetch(
            """
            select distinct e.monitor_id from maintenance_members e
            left join maintenances w using (maintenance_id) left join monitors m using (monitor_id)
            where w.maintenance_id is null or w.ended_at is not null or w.ends_at <= now() or w.starts_at > now()
               or m.monitor_id is null or m.paused_at is not null
            order by e.monitor_id limit $1
            """,
            limit,
        )
        return [row.monitor_id for row in rows]

    async def list_windows(self, monitor_ids: Sequence[UUID]) -> dict[UUID, dict[UUID, Maintenance | None]]:
        """The windows that each monitor is in; None for one that is gone."""
        rows = await self._work.fetch(
            """
            select e.monitor_id, e.maintenance_id as member_of, w.* from maintenance_members e
            left join maintenances w using (maintenance_id) where e.monitor_id = any($1::uuid[])
            """,
            list(monitor_ids),
        )
        found: dict[UUID, dict[UUID, Maintenance | None]] = {key: {} for key in monitor_ids}
        for row in rows:
            found[row.monitor_id][row.member_of] = None if row.name is None else maintenance_of(row)
        return found

    async def list_maintained(self, monitor_ids: Sequence[UUID]) -> dict[UUID, MaintainedMonitor]:
        """What has to be known of monitors to let them in or go."""
        rows = await self._work.fetch(
            """
            select monitor_id, updated_at, interval_ms * interval '1 ms' as interval,
                   kind <> 'heartbeat' as is_looked_at
            from monitors where monitor_id = any($1::uuid[])
            """,
            list(monitor_ids),
        )
        return {row.monitor_id: MaintainedMonitor(row.updated_at, row.interval, row.is_looked_at) for row in rows}

    async def add(self, pairs: Sequence[tuple[UUID, UUID]], *, now: datetime) -> None:
        """Write that windows hold monitors: their ids, the window's first."""
        await self._work.run(
            """
            insert into maintenance_members (maintenance_id, monitor_id, since)
            select w, m, $3 from unnest($1::uuid[], $2::uuid[]) as p (w, m) on conflict do nothing
            """,
            [window for window, _ in pairs],
            [monitor for _, monitor in pairs],
            now,
        )

    async def remove(self, pairs: Sequence[tuple[UUID, UUID]]) -> None:
        """Write that windows have let monitors go; their states are locked, so that nobody else does meanwhile."""
        await self._work.run(
            """
            delete from maintenance_members e using unnest($1::uuid[], $2::uuid[]) as p (w, m)
            where e.maintenance_id = p.w and e.monitor_id = p.m
            """,
            [window for window, _ in pairs],
            [monitor for _, monitor in pairs],
        )
