"""When monitors are next looked at, and that they are not: schedules set anew, pauses written down."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from shared.domain.monitor.slots import GapReason
from shared.storage.database import UnitOfWork


class HeldSchedules(NamedTuple):
    """The time by the database's clock, and the next slots of schedules that nobody moves on meanwhile."""

    now: datetime
    next_slots: Mapping[UUID, datetime]


class MonitorPauses:
    """Sets schedules within one unit of work that holds the rows of `monitors`, and of `monitor_states` before these.

    Heartbeats have no schedule, and are passed over.
    """

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def lock_schedules(self, monitor_ids: Sequence[UUID]) -> HeldSchedules:
        """Keep schedules from being claimed, in the order of their ids; answers the time when they are held."""
        held = await self._work.fetch(
            "select monitor_id, next_slot from schedules where monitor_id = any($1::uuid[]) order by monitor_id"
            " for update",
            list(monitor_ids),
        )
        rows = await self._work.fetch("select clock_timestamp() as now")
        return HeldSchedules(rows[0].now, {row.monitor_id: row.next_slot for row in held if row.next_slot is not None})

    async def set_slots(self, slots: Mapping[UUID, datetime | None]) -> None:
        """Set the next slot of each, None for none; without one nothing is confirmed either."""
        await self._work.run(
            """
            update schedules c
            set next_slot = n.slot, confirm_at = case when n.slot is not null then c.confirm_at end,
                confirmation = case when n.slot is null then 0 else c.confirmation end,
                due_at = case when n.slot is not null then least(n.slot, c.confirm_at) end
            from unnest($1::uuid[], $2::timestamptz[]) as n (monitor_id, slot) where c.monitor_id = n.monitor_id
            """,
            list(slots),
            list(slots.values()),
        )

    async def take_back_gaps(self, since: Mapping[UUID, datetime]) -> None:
        """Forget what was told of single slots of a pause since a moment: rounds that were under way tell theirs."""
        await self._work.run(
            """
            delete from slot_gaps g using unnest($1::uuid[], $2::timestamptz[]) as p (monitor_id, since)
            where g.monitor_id = p.monitor_id and g.first_slot >= p.since and g.reason = $3
            """,
            list(since),
            list(since.values()),
            GapReason.PAUSED.value,
        )

    async def set_paused(self, paused_at: Mapping[UUID, datetime | None], *, now: datetime) -> None:
        """Write since when each is paused, None for not; that is a change like any other."""
        await self._work.run(
            """
            update monitors m set paused_at = n.paused_at, version = m.version + 1, updated_at = $3
            from unnest($1::uuid[], $2::timestamptz[]) as n (monitor_id, paused_at) where m.monitor_id = n.monitor_id
            """,
            list(paused_at),
            list(paused_at.values()),
            now,
        )
