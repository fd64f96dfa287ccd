"""Groups that owe something and have no notice on its way, or one that is no more: nothing of ours leaves one so."""

from shared.domain.job.jobs import Ring
from shared.storage.database import UnitOfWork
from shared.storage.notice.group_store import OWES, GroupStore


class IdleGroupStore:
    """Finds and wakes them within one unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work
        self._groups = GroupStore(work)

    async def wake_idle(self, *, limit: int) -> tuple[int, list[Ring]]:
        """Wake at most so many groups that nobody is busy with; how many, and what is to be rung after the commit."""
        rows = await self._work.fetch(
            f"""
            select distinct g.group_id
            from tellings t join alerts a using (alert_id) join alert_groups g using (group_id)
            where not t.is_settled and ({OWES})
              and (g.notice_id is null
                   or not exists (select from notices n where n.notice_id = g.notice_id and n.ended_at is null))
            limit $1
            """,
            limit,
        )
        locked = await self._groups.lock([row.group_id for row in rows], is_busy_skipped=True)
        if not locked:
            return 0, []
        await self._work.run(
            """
            update alert_groups g set notice_id = null
            where g.group_id = any($1::uuid[]) and g.notice_id is not null
              and not exists (select from notices n where n.notice_id = g.notice_id and n.ended_at is null)
            """,
            [group.group_id for group in locked],
        )
        fresh = await self._groups.lock([group.group_id for group in locked])
        rings = await self._groups.wake(fresh)
        return sum(group.notice_id is None for group in fresh), rings
