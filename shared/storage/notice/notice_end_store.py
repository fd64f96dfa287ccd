"""Notices whose job has ended: found, locked, carried on, and owed anew where nobody can have been told."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.domain.job.jobs import JobState
from shared.domain.job.leases import RescueReason
from shared.domain.job.requeue import RequeueChanges
from shared.domain.notice.notices import NoticeKind, NoticeState, end_of_notice, rest_after_crashes
from shared.storage.database import UnitOfWork
from shared.storage.job.requeue_store import Requeuer, RequeueStore
from shared.storage.notice.notice_store import PRINCIPAL

_HAS_ENDED = "n.ended_at is null and (j.job_id is null or j.finished_at is not null)"


@dataclass(frozen=True, slots=True)
class EndedNotice:
    """A notice that is still live, and the state that its job's end gives it.

    One with a `next_try_at` is carried on then: workers fell silent with its job.
    """

    notice_id: UUID
    group_id: UUID | None
    job_id: UUID
    channel_kind: str
    state: NoticeState
    is_composed: bool
    is_job_gone: bool
    next_try_at: datetime | None = None


class NoticeEndStore:
    """Ends of notices within one unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def list_ended(self, *, limit: int) -> list[tuple[UUID, UUID | None]]:
        """Live notices whose job has ended or is gone, each with its group; the longest due first."""
        rows = await self._work.fetch(
            f"""
            select n.notice_id, n.group_id from notices n left join jobs j using (job_id)
            where {_HAS_ENDED} order by n.flush_at limit $1
            """,
            limit,
        )
        return [(row.notice_id, row.group_id) for row in rows]

    async def lock_ended(self, notice_ids: Sequence[UUID]) -> list[EndedNotice]:
        """Those among the notices that still are so, locked; their groups are locked already."""
        rows = await self._work.fetch(
            f"""
            select n.notice_id, n.group_id, n.job_id, n.content is not null as is_composed, c.kind, j.state,
                   n.kind <> $2 and j.error->>'code' = $3 as is_crashed, now() as now, now() - n.flush_at as age
            from notices n join channels c using (channel_id) left join jobs j using (job_id)
            where n.notice_id = any($1::uuid[]) and {_HAS_ENDED}
            order by n.notice_id for no key update of n skip locked
            """,
            list(notice_ids),
            NoticeKind.TEST.value,
            RescueReason.CRASH_LOOP.value,
        )
        return [
            EndedNotice(
                notice_id=row.notice_id,
                group_id=row.group_id,
                job_id=row.job_id,
                channel_kind=row.kind,
                state=end_of_notice(None if row.state is None else JobState(row.state)),
                is_composed=row.is_composed,
                is_job_gone=row.state is None,
                next_try_at=row.now + rest if row.is_crashed and (rest := rest_after_crashes(row.age)) else None,
            )
            for row in rows
        ]

    async def carry_on(self, ended: Sequence[EndedNotice]) -> set[UUID]:
        """Give those locked notices another job that are to be tried again; which of them have one now.

        What somebody has run anew himself has got one, and ends here.
        """
        jobs: dict[UUID, UUID] = {}
        for each in ended:
            changes = RequeueChanges(run_at=each.next_try_at)
            requeued, _ = await RequeueStore(self._work).requeue_ended([each.job_id], Requeuer(PRINCIPAL, changes))
            if requeued:
                jobs[each.notice_id] = requeued[0].new_id
        await self._work.run(
            """
            update notices n set job_id = j.job_id
            from unnest($1::uuid[], $2::uuid[]) as j (notice_id, job_id) where n.notice_id = j.notice_id
            """,
            list(jobs),
            list(jobs.values()),
        )
        return set(jobs)

    async def owe_again(self, notice_ids: Sequence[UUID]) -> None:
        """Owe anew the resolves that these notices were to tell: somebody, or a loss, stopped them on their way."""
        await self._work.run(
            """
            update tellings t set resolve_notice_id = null, is_settled = false
            from notices n cross join lateral jsonb_array_elements(n.content->'alerts') told
            where n.notice_id = any($1::uuid[]) and t.resolve_notice_id = n.notice_id
              and t.channel_id = n.channel_id and t.alert_id = (told->>'alert_id')::uuid
            """,
            list(notice_ids),
        )
