"""Reading how jobs stand, without what they were asked to do: a poll must not carry a thousand targets."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from shared.domain.job.job_ids import first_id_of
from shared.domain.job.job_status import JobFilter, JobStatus
from shared.domain.job.jobs import JobKind, JobState
from shared.storage.database import Reader, UnitOfWork
from shared.storage.tables.jobs import TERMINAL_LIST

_COLUMNS = """
    job_id, kind, state, labels::text as labels, run_at, attempt, max_attempts, started_at, finished_at,
    cancel_requested_at, result::text as result, error::text as error, version, created_at, priority, expires_at,
    unique_key, limit_key, blocked_by, parent_id, requeue_of, progress::text as progress, traceparent
"""
ID_LEAD = timedelta(minutes=5)
"""A job's id is made before its row is; the most that may lie between the two, buffering and a slow commit included."""


_KINDS = {kind.value: kind for kind in JobKind}
_STATES = {state.value: state for state in JobState}


async def find_statuses(reader: Reader, job_ids: Sequence[UUID]) -> dict[UUID, JobStatus]:
    """How those jobs stand that there are among `job_ids`."""
    rows = await reader.fetch(f"select {_COLUMNS} from jobs where job_id = any($1::uuid[])", list(job_ids))
    return {row[0]: _status_of(row) for row in rows}


class JobStatusStore:
    """Reads jobs within one unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def list_statuses(self, wanted: JobFilter, *, before: UUID | None, limit: int) -> list[JobStatus]:
        """The newest jobs first, at most `limit`, older than the job `before` (ids are ordered by time, RFC 9562).

        The bounds on the time of creation bound the ids too, so that an old window is found without a walk to it.
        """
        terms = list(_terms_of(wanted, before=before))
        where = " and ".join(term.format(f"${place}") for place, (term, _) in enumerate(terms, start=1)) or "true"
        rows = await self._work.fetch(
            f"select {_COLUMNS} from jobs where {where} order by job_id desc limit ${len(terms) + 1}",
            *(value for _, value in terms),
            limit,
        )
        return [_status_of(row) for row in rows]

    async def count_children(self, job_id: UUID) -> dict[JobState, int]:
        """How many children a job has in each state, those of none left out."""
        rows = await self._work.fetch(
            "select state, count(*) as n from jobs where parent_id = $1 group by state order by state", job_id
        )
        return {JobState(row.state): row.n for row in rows}

    async def find_spec(self, job_id: UUID) -> tuple[JobKind, str] | None:
        """What a job was asked to do: its kind and its spec, JSON as text."""
        rows = await self._work.fetch("select kind, spec::text as spec from jobs where job_id = $1", job_id)
        return (JobKind(rows[0].kind), rows[0].spec) if rows else None

    async def exists(self, job_id: UUID) -> bool:
        """Whether there is such a job."""
        return bool(await self._work.fetch("select 1 from jobs where job_id = $1", job_id))


def _terms_of(wanted: JobFilter, *, before: UUID | None) -> Iterator[tuple[str, object]]:
    """The conditions that narrow, and no others, so that each finds the index whose own condition it repeats."""
    values: tuple[tuple[str, object], ...] = (
        ("state = any({}::text[])", sorted(state.value for state in wanted.states) or None),
        ("kind = {}", wanted.kind and wanted.kind.value),
        ("kind <> {}", None if wanted.finds_rounds else JobKind.ROUND.value),
        (
            "labels <> '{{}}'::jsonb and labels @> {}::jsonb",
            msgspec.json.encode(wanted.labels).decode() if wanted.labels else None,
        ),
        ("created_at > {}", wanted.created_after),
        ("created_at < {}", wanted.created_before),
        (f"state in ({TERMINAL_LIST}) and finished_at > {{}}", wanted.finished_after),
        (f"state in ({TERMINAL_LIST}) and finished_at < {{}}", wanted.finished_before),
        ("parent_id = {}", wanted.parent_id),
        ("requeue_of = {}", wanted.requeue_of),
        ("unique_key = {}", wanted.unique_key),
        ("limit_key = {}", wanted.limit_key),
        ("state = 'failed' and error_fingerprint = {}", wanted.fingerprint),
        ("job_id < {}", before),
        ("job_id < {}", _id_bound(wanted.created_before, offset=timedelta(milliseconds=1))),
        ("job_id > {}", _id_bound(wanted.created_after, offset=-ID_LEAD)),
    )
    return ((term, value) for term, value in values if value is not None)


def _id_bound(moment: datetime | None, *, offset: timedelta) -> UUID | None:
    return None if moment is None else first_id_of(moment + offset)


def _status_of(row: Iterable[Any]) -> JobStatus:
    # By position, in the order of `_COLUMNS`: by name it would be half of what a poll costs.
    job_id, kind, state, *rest = row
    return JobStatus(job_id, _KINDS[kind], _STATES[state], *rest)
