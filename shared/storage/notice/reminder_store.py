"""Groups of which people are to be reminded, because something they were told of still fires."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from shared.domain.job.jobs import Ring
from shared.domain.notice.notices import NoticeKind
from shared.storage.database import UnitOfWork
from shared.storage.notice.group_store import GroupStore, LockedGroup

_TOLD_AND_FIRING = """
    select from tellings t join alerts a using (alert_id)
    where t.group_id = g.group_id and not t.is_settled and t.fire_notice_id is not null and a.state = 'firing'
"""


class ReminderStore:
    """Reminders within one unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work
        self._groups = GroupStore(work)

    async def remind_due(self, *, limit: int) -> tuple[int, list[Ring]]:
        """Make the reminders that are due; how many groups were looked at, and what is to be rung.

        Where all that fires is acknowledged it is looked at again after another interval.
        """
        due = await self._work.fetch(
            """
            select group_id from alert_groups where remind_at <= now() and notice_id is null
            order by remind_at limit $1
            """,
            limit,
        )
        locked = await self._groups.lock([row.group_id for row in due], is_busy_skipped=True)
        wanted, idle = await self._part(locked)
        await self._put_off(idle)
        return len(locked), await self._groups.begin(wanted, NoticeKind.REMINDER)

    async def _part(self, locked: Sequence[LockedGroup]) -> tuple[list[LockedGroup], list[LockedGroup]]:
        """Those with something that nobody has acknowledged, and the others; without those just reminded of."""
        rows = await self._work.fetch(
            f"""
            select group_id, exists ({_TOLD_AND_FIRING} and a.acknowledged_at is null) as is_wanted
            from alert_groups g where group_id = any($1::uuid[]) and remind_at <= now() and notice_id is null
            """,
            [group.group_id for group in locked],
        )
        is_wanted: dict[UUID, bool] = {row.group_id: row.is_wanted for row in rows}
        found = [group for group in locked if group.group_id in is_wanted]
        return [group for group in found if is_wanted[group.group_id]], [
            group for group in found if not is_wanted[group.group_id]
        ]

    async def _put_off(self, idle: Sequence[LockedGroup]) -> None:
        repeats: list[timedelta | None] = [group.options.repeat_interval for group in idle]
        await self._work.run(
            f"""
            update alert_groups g set remind_at = case when exists ({_TOLD_AND_FIRING}) then now() + n.repeat end
            from unnest($1::uuid[], $2::interval[]) as n (group_id, repeat) where g.group_id = n.group_id
            """,
            [group.group_id for group in idle],
            repeats,
        )
