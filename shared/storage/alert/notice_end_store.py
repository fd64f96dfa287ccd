"""Notices whose job has ended: found, locked, and owed anew where nobody can have been told."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from shared.domain.alert.notices import NoticeState, end_of_notice
from shared.domain.job.jobs import JobState
from shared.storage.database import UnitOfWork

_HAS_ENDED = "n.ended_at is null and (j.job_id is null or j.finished_at is not null)"


@dataclass(frozen=True, slots=True)
class EndedNotice:
    """A notice that is still live, and the state that its job's end gives it."""

    notice_id: UUID
    group_id: UUID | None
    channel_kind: str
    state: NoticeState
    is_composed: bool
    is_job_gone: bool


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
            select n.notice_id, n.group_id, n.content is not null as is_composed, c.kind, j.state
            from notices n join channels c using (channel_id) left join jobs j using (job_id)
            where n.notice_id = any($1::uuid[]) and {_HAS_ENDED}
            order by n.notice_id for no key update of n skip locked
            """,
            list(notice_ids),
        )
        return [
            EndedNotice(
                notice_id=row.notice_id,
                group_id=row.group_id,
                channel_kind=row.kind,
                state=end_of_notice(None if row.state is None else JobState(row.state)),
                is_composed=row.is_composed,
                is_job_gone=row.state is None,
            )
            for row in rows
        ]

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
