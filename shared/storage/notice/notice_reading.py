"""Reads notices as people see them: what was told to whom, and each try."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from shared.domain.job.jobs import AttemptOutcome
from shared.domain.notice.notices import NoticeKind, NoticeState
from shared.storage.database import UnitOfWork

MAX_TRIES_SHOWN = 100

_COLUMNS = """
    n.notice_id, n.channel_id, n.group_id, n.job_id, n.kind, n.state, n.number, n.flush_at, n.composed_at, n.ended_at,
    n.created_at, c.name as channel_name, g.labels as group_labels, n.content->>'status' as status,
    coalesce(jsonb_array_length(n.content->'alerts') + (n.content->>'truncated')::int, 0) as alerts
"""
_TABLES = "notices n join channels c using (channel_id) left join alert_groups g on g.group_id = n.group_id"


@dataclass(frozen=True, slots=True)
class NoticeFilter:
    """Which notices are wanted; an empty field does not narrow."""

    channel_id: UUID | None = None
    states: frozenset[NoticeState] = frozenset()
    kinds: frozenset[NoticeKind] = frozenset()
    alert_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class NoticeStatus:
    """A notice without its words; `status` is that of what it tells, and `alerts` how many it tells of."""

    notice_id: UUID
    channel_id: UUID
    channel_name: str
    group_id: UUID | None
    group_labels: Mapping[str, str] | None
    job_id: UUID
    kind: NoticeKind
    state: NoticeState
    status: str | None
    alerts: int
    number: int
    flush_at: datetime
    composed_at: datetime | None
    ended_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class NoticeTry:
    """One try at telling a notice; `run_ms` in milliseconds. `detail` is what the notifier has to say of it."""

    job_id: UUID
    attempt: int
    worker_id: str
    started_at: datetime
    finished_at: datetime
    outcome: AttemptOutcome
    run_ms: float
    code: str | None
    message: str | None
    detail: Mapping[str, Any] | None


class NoticeReading:
    """Reads within one unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def list_status(self, wanted: NoticeFilter, *, before: UUID | None, limit: int) -> list[NoticeStatus]:
        """At most `limit` notices, the newest first, those made before `before`."""
        terms, values = ["true"], list[object]()
        for term, value in _terms_of(wanted, before):
            values.append(value)
            terms.append(term.format(f"${len(values)}"))
        rows = await self._work.fetch(
            f"""
            select {_COLUMNS} from {_TABLES} where {" and ".join(terms)}
            order by n.notice_id desc limit ${len(values) + 1}
            """,
            *values,
            limit,
        )
        return [_status_of(row) for row in rows]

    async def find_status(self, notice_id: UUID) -> NoticeStatus | None:
        """The notice, if there is one."""
        rows = await self._work.fetch(f"select {_COLUMNS} from {_TABLES} where n.notice_id = $1", notice_id)
        return _status_of(rows[0]) if rows else None

    async def find_content(self, notice_id: UUID) -> Mapping[str, Any] | None:
        """What the notice says, once it is composed."""
        rows = await self._work.fetch("select content from notices where notice_id = $1", notice_id)
        return rows[0].content if rows else None

    async def list_tries(self, job_id: UUID) -> list[NoticeTry]:
        """The latest tries of a notice's job and of those that it runs anew, the first one first.

        What only waited for a channel that fails is left out.
        """
        rows = await self._work.fetch(
            """
            with recursive chain as (
                select job_id, requeue_of from jobs where job_id = $1
                union all
                select j.job_id, j.requeue_of from chain join jobs j on j.job_id = chain.requeue_of
            )
            select a.job_id, a.attempt, a.worker_id, a.started_at, a.finished_at, a.outcome, a.run_ms, a.code,
                   a.message, a.detail
            from job_attempts a join chain using (job_id) where a.outcome <> 'snoozed'
            order by a.started_at desc, a.dispatch_no desc limit $2
            """,
            job_id,
            MAX_TRIES_SHOWN,
        )
        return [_try_of(row) for row in reversed(rows)]


def _terms_of(wanted: NoticeFilter, before: UUID | None) -> Iterator[tuple[str, object]]:
    if before is not None:
        yield "n.notice_id < {}::uuid", before
    if wanted.channel_id is not None:
        yield "n.channel_id = {}::uuid", wanted.channel_id
    if wanted.states:
        yield "n.state = any({}::text[])", sorted(wanted.states)
    if wanted.kinds:
        yield "n.kind = any({}::text[])", sorted(wanted.kinds)
    if wanted.alert_id is not None:
        # The groups narrow by an index; what else those told is left out by what the notice says.
        yield "n.group_id in (select group_id from tellings where alert_id = {}::uuid)", wanted.alert_id
        told = "jsonb_build_object('alerts', jsonb_build_array(jsonb_build_object('alert_id', {}::text)))"
        yield f"n.content @> {told}", str(wanted.alert_id)
    if wanted.since is not None:
        yield "n.created_at >= {}::timestamptz", wanted.since
    if wanted.until is not None:
        yield "n.created_at < {}::timestamptz", wanted.until


def _status_of(row: Row[Any]) -> NoticeStatus:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name of a row's mapping
    return NoticeStatus(**values | {"kind": NoticeKind(row.kind), "state": NoticeState(row.state)})


def _try_of(row: Row[Any]) -> NoticeTry:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name of a row's mapping
    return NoticeTry(**values | {"outcome": AttemptOutcome(row.outcome)})
