"""Finds notices that were given up, and puts them on their way anew, under the id they had."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from uuid_utils.compat import uuid7

from shared.domain.job.jobs import Ring
from shared.domain.notice.notices import NoticeKind, NoticeState
from shared.domain.notice.redelivery import DeadLetter, RedeliveryFilter
from shared.storage.database import UnitOfWork
from shared.storage.job.job_store import JobStore, first_ring
from shared.storage.job.requeue_store import Requeuer, RequeueStore
from shared.storage.notice.notice_store import NewNotice, job_of

_MATCHES = """
    n.state = 'failed' and n.kind <> 'test' and c.disabled_at is null and c.deleted_at is null
    and ($1::uuid is null or n.channel_id = $1) and ($2::timestamptz is null or n.ended_at >= $2)
    and ($3::timestamptz is null or n.ended_at < $3)
"""
_IDLE = "not exists (select from alert_groups g where g.group_id = n.group_id and g.notice_id is not null)"


class RedeliveryStore:
    """Dead letters within one unit of work, locked in the order that everybody keeps: groups, notices, jobs."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def list_ready(self, wanted: RedeliveryFilter, *, limit: int) -> list[UUID]:
        """Failed notices of groups that have none on its way, of each group the oldest, in the order of their ids."""
        rows = await self._work.fetch(
            f"""
            select min(n.notice_id::text)::uuid as notice_id from notices n join channels c using (channel_id)
            where {_MATCHES} and {_IDLE} group by coalesce(n.group_id, n.notice_id) order by 1 limit $4
            """,
            wanted.channel_id,
            wanted.since,
            wanted.until,
            limit,
        )
        return [row.notice_id for row in rows]

    async def has_more(self, wanted: RedeliveryFilter) -> bool:
        """Whether failed notices are left, be it that others of their group are on their way."""
        rows = await self._work.fetch(
            f"select exists (select from notices n join channels c using (channel_id) where {_MATCHES}) as has_more",
            wanted.channel_id,
            wanted.since,
            wanted.until,
        )
        return bool(rows[0].has_more)

    async def lock(self, notice_ids: Sequence[UUID]) -> list[DeadLetter]:
        """The notices there are among the ids, they and their groups locked."""
        await self._work.run(
            """
            select from alert_groups where group_id in (select group_id from notices where notice_id = any($1::uuid[]))
            order by group_id for no key update
            """,
            list(notice_ids),
        )
        rows = await self._work.fetch(
            """
            select n.notice_id, n.channel_id, n.group_id, n.job_id, n.state, c.disabled_at, c.deleted_at,
                   exists (select from alert_groups g
                           where g.group_id = n.group_id and g.notice_id is not null) as is_busy
            from notices n join channels c using (channel_id)
            where n.notice_id = any($1::uuid[]) order by n.notice_id for no key update of n
            """,
            list(notice_ids),
        )
        return [_letter_of(row) for row in rows]

    async def begin(self, letters: Sequence[DeadLetter], *, principal_id: str) -> list[Ring]:
        """Put locked notices on their way, each the only one of its group; ring the answer after the commit.

        What they tell as firing and was told as resolved since has to be told as resolved once more, behind them.
        """
        jobs, rings = await self._queue(letters, principal_id)
        await self.take_up(jobs)
        return rings

    async def take_up(self, jobs: Mapping[UUID, UUID]) -> None:
        """Let locked notices that were given up be carried by these jobs, each the only one of its locked group."""
        ids = list(jobs)
        await self._work.run(
            """
            update alert_groups g set notice_id = n.notice_id from notices n
            where n.notice_id = any($1::uuid[]) and g.group_id = n.group_id
            """,
            ids,
        )
        await self._work.run(
            """
            update tellings t set is_settled = false, resolve_notice_id = null
            from (select n.channel_id, (told->>'alert_id')::uuid as alert_id
                  from notices n cross join jsonb_array_elements(n.content->'alerts') told
                  where n.notice_id = any($1::uuid[]) and n.group_id is not null and told->>'status' = 'firing') told
            where t.channel_id = told.channel_id and t.alert_id = told.alert_id
              and t.is_settled and t.resolve_notice_id is not null
            """,
            ids,
        )
        await self._work.run(
            """
            update notices n
            set job_id = j.job_id, ended_at = null, state = case when content is null then 'waiting' else 'composed' end
            from unnest($1::uuid[], $2::uuid[]) as j (notice_id, job_id) where n.notice_id = j.notice_id
            """,
            ids,
            list(jobs.values()),
        )

    async def _queue(self, letters: Sequence[DeadLetter], principal_id: str) -> tuple[dict[UUID, UUID], list[Ring]]:
        """A job for each: its old one anew, by which the earlier tries are found, or another where that is gone."""
        requeued, rings = await RequeueStore(self._work).requeue_ended(
            [letter.job_id for letter in letters], Requeuer(principal_id)
        )
        anew = {each.old_id: each.new_id for each in requeued}
        jobs = {letter.notice_id: anew[letter.job_id] for letter in letters if letter.job_id in anew}
        lacking = [letter for letter in letters if letter.job_id not in anew]
        if lacking:
            made = [job_of(notice) for notice in await self._anew([letter.notice_id for letter in lacking])]
            rows = await self._work.fetch("select now() as now")
            await JobStore(self._work).insert(made, now=rows[0].now)
            jobs |= {job.effect_id: job.job_id for job in made if job.effect_id is not None}
            rings += [first_ring(job) for job in made]
        return jobs, rings

    async def _anew(self, notice_ids: Sequence[UUID]) -> list[NewNotice]:
        rows = await self._work.fetch(
            """
            select n.notice_id, n.channel_id, n.group_id, n.kind, c.name, now() as now,
                   coalesce(c.options->'rate_limit', 'null') <> 'null' as is_limited
            from notices n join channels c using (channel_id) where n.notice_id = any($1::uuid[])
            """,
            list(notice_ids),
        )
        return [
            NewNotice(
                notice_id=row.notice_id,
                job_id=uuid7(),
                channel_id=row.channel_id,
                channel_name=row.name,
                group_id=row.group_id,
                kind=NoticeKind(row.kind),
                flush_at=row.now,
                is_limited=row.is_limited,
            )
            for row in rows
        ]


def _letter_of(row: Row[Any]) -> DeadLetter:
    return DeadLetter(
        notice_id=row.notice_id,
        channel_id=row.channel_id,
        group_id=row.group_id,
        job_id=row.job_id,
        state=NoticeState(row.state),
        is_group_busy=row.is_busy,
        is_channel_disabled=row.disabled_at is not None,
        is_channel_deleted=row.deleted_at is not None,
    )
