"""Notices as rows, each with the job that carries it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec

from shared.domain.channel.channel_trial import TRIAL_PRIORITY, TRIAL_STALE_AFTER, TRIAL_TRIES
from shared.domain.job.jobs import JobKind, NewJob, Ring
from shared.domain.notice.notices import NoticeContent, NoticeKind, NoticeState
from shared.storage.database import UnitOfWork
from shared.storage.job.job_store import JobStore, first_ring
from shared.storage.storable import storable_json

MAX_TRIES = 40
"""With waits of up to an hour between them, a channel may be away for 12 to 18 hours until a notice is given up."""
PRIORITY = 7
"""Three minutes' head start over the messages that people submit, so that a flood of those delays no alert."""
PRINCIPAL = "alerting"
"""Whose jobs those of notices are."""


@dataclass(frozen=True, slots=True)
class NewNotice:
    """A notice to be made, and the id of its job; `is_limited` when its channel has a rate limit."""

    notice_id: UUID
    job_id: UUID
    channel_id: UUID
    channel_name: str
    group_id: UUID | None
    kind: NoticeKind
    flush_at: datetime
    is_limited: bool = False


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice as it stands; `content` is None until it is composed."""

    notice_id: UUID
    channel_id: UUID
    group_id: UUID | None
    job_id: UUID
    kind: NoticeKind
    state: NoticeState
    content: NoticeContent | None


class NoticeStore:
    """Notices within one unit of work. Locked after the groups they belong to, before jobs."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def add(self, notices: Sequence[NewNotice], *, now: datetime) -> list[Ring]:
        """Add waiting notices with their jobs; ring the answer after the commit, the others are due later."""
        await self._work.run(
            """
            insert into notices (notice_id, channel_id, group_id, job_id, kind, state, flush_at)
            select notice_id, channel_id, group_id, job_id, kind, 'waiting', flush_at
            from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::timestamptz[])
                 as n (notice_id, channel_id, group_id, job_id, kind, flush_at)
            """,
            [notice.notice_id for notice in notices],
            [notice.channel_id for notice in notices],
            [notice.group_id for notice in notices],
            [notice.job_id for notice in notices],
            [notice.kind.value for notice in notices],
            [notice.flush_at for notice in notices],
        )
        jobs = [job_of(notice) for notice in notices]
        await JobStore(self._work).insert(jobs, now=now)
        return [first_ring(job) for job in jobs if job.run_at <= now]

    async def find(self, notice_id: UUID, *, is_locked: bool = False) -> Notice | None:
        """The notice, if there is one; locked if wanted."""
        rows = await self._work.fetch(
            f"""
            select notice_id, channel_id, group_id, job_id, kind, state, content::text as content
            from notices where notice_id = $1 {"for no key update" if is_locked else ""}
            """,
            notice_id,
        )
        if not rows:
            return None
        row = rows[0]
        content = None if row.content is None else content_of(row.content)
        return Notice(
            notice_id=row.notice_id,
            channel_id=row.channel_id,
            group_id=row.group_id,
            job_id=row.job_id,
            kind=NoticeKind(row.kind),
            state=NoticeState(row.state),
            content=content,
        )

    async def freeze(self, notice_id: UUID, content: NoticeContent) -> NoticeContent:
        """Fix what a locked notice says; the answer is what every try reads, in the order the database keeps it in."""
        rows = await self._work.fetch(
            """
            update notices
            set state = 'composed', content = $2::text::jsonb, composed_at = now(), number = $3, kind = $4
            where notice_id = $1 returning content::text as content
            """,
            notice_id,
            msgspec.json.encode(storable_json(msgspec.to_builtins(content))).decode(),
            content.number,
            content.kind.value,
        )
        return content_of(rows[0].content)

    async def end(self, ended: Mapping[UUID, NoticeState]) -> None:
        """End locked notices."""
        await self._work.run(
            """
            update notices n set state = e.state, ended_at = now()
            from unnest($1::uuid[], $2::text[]) as e (notice_id, state) where n.notice_id = e.notice_id
            """,
            list(ended),
            [state.value for state in ended.values()],
        )

    async def hasten(self, channel_id: UUID, *, limit: int) -> int:
        """Let the notices of a channel that wait for their next try be tried now; answers how many."""
        written = await self._work.run(
            """
            update jobs set run_at = now(), version = version + 1, updated_at = now()
            where job_id in (
                select j.job_id from notices n join jobs j using (job_id)
                where n.channel_id = $1 and n.ended_at is null and j.state = 'retrying' and j.run_at > now()
                order by j.job_id limit $2 for no key update of j skip locked)
            """,
            channel_id,
            limit,
        )
        return written.rowcount


def content_of(text: str) -> NoticeContent:
    """What a notice says, as it is kept."""
    return msgspec.json.decode(text, type=NoticeContent)


def job_of(notice: NewNotice) -> NewJob:
    """The job that carries a notice; receivers know repeats by the notice's id, whichever job it is.

    A test is tried once, before all else, and soon or not at all.
    """
    is_test = notice.kind is NoticeKind.TEST
    return NewJob(
        job_id=notice.job_id,
        kind=JobKind.NOTIFY,
        spec=msgspec.json.encode({"notice": str(notice.notice_id)}).decode(),
        run_at=notice.flush_at,
        max_attempts=TRIAL_TRIES if is_test else MAX_TRIES,
        principal_id=PRINCIPAL,
        labels={"channel": notice.channel_name},
        limit_key=f"channel:{notice.channel_id}" if notice.is_limited else None,
        effect_id=notice.notice_id,
        priority=TRIAL_PRIORITY if is_test else PRIORITY,
        expires_at=notice.flush_at + TRIAL_STALE_AFTER if is_test else None,
    )
