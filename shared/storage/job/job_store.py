"""Jobs as people see them: submitted, found, listed, cancelled."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row

from shared.domain.job.jobs import (
    BlockReason,
    Job,
    JobKind,
    JobState,
    NewJob,
    Ring,
    rank_of,
)
from shared.domain.job.leases import JobChange
from shared.storage.database import UnitOfWork
from shared.storage.tables.jobs import LIVE_LIST

QUEUE_OF: Mapping[JobKind, str] = {kind: f"tocsin:{kind.value}" for kind in JobKind}
"""Collecting and telling never wait for each other, so each kind has its own queue."""

FIRST_DISPATCH = 1
"""The number of the ring that a submitted job waits for."""

_JOB_COLUMNS = """
    job_id, kind, queue, state, spec, labels, run_at, attempt, max_attempts, dispatch_no, started_at, finished_at,
    cancel_requested_at, result, error, principal_id, version, created_at, updated_at, priority, expires_at, unique_key,
    limit_key, blocked_by, parent_id, requeue_of, progress, traceparent
"""
INSERT_JOBS = """
    insert into jobs (job_id, kind, queue, state, spec, labels, run_at, max_attempts, principal_id, priority,
                      expires_at, unique_key, limit_key, parent_id, completion, traceparent, requeue_of,
                      effect_id, queued_at, created_at, updated_at)
    select job_id, kind, queue, case when run_at > $18 then 'scheduled' else 'queued' end, spec::jsonb,
           labels::jsonb, run_at, max_attempts, principal_id, priority, expires_at, unique_key, limit_key,
           parent_id, completion::jsonb, traceparent, requeue_of, effect_id,
           case when run_at <= $18 then $18 end, $18, $18
    from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::int2[],
                $8::text[], $9::int2[], $10::timestamptz[], $11::text[], $12::text[], $13::uuid[],
                $14::text[], $15::text[], $16::uuid[], $17::uuid[])
         as n (job_id, kind, queue, spec, labels, run_at, max_attempts, principal_id, priority, expires_at,
               unique_key, limit_key, parent_id, completion, traceparent, requeue_of, effect_id)
"""
"""Takes the `insert_values` of jobs, as `n`; an order or what to do on a conflict may follow."""
HELD_NO_MORE = """
    blocked_by = null, blocked_since = null,
    blocked_ms = blocked_ms + coalesce(extract(epoch from now() - blocked_since) * 1000, 0)
"""
"""Ends what a pause or a limit held back, and counts for how long it did."""
CANCEL = f"""
    state = case when state = 'running' then 'running' else 'cancelled' end,
    finished_at = case when state <> 'running' then now() end,
    cancel_requested_at = coalesce(cancel_requested_at, now()), {HELD_NO_MORE},
    version = version + 1, updated_at = now()
"""
"""Ends a waiting job and asks for the end of a running one."""


class JobStore:
    """Reads and writes jobs within one unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def insert(self, jobs: Sequence[NewJob], *, now: datetime) -> None:
        """Add the jobs with one statement; those due later than `now` are `scheduled`, the others `queued`."""
        await self._work.run(INSERT_JOBS, *insert_values(jobs, now=now))

    async def find_jobs(self, job_ids: Sequence[UUID]) -> dict[UUID, Job]:
        """The jobs there are among `job_ids`."""
        rows = await self._work.fetch(f"select {_JOB_COLUMNS} from jobs where job_id = any($1::uuid[])", list(job_ids))
        return {row.job_id: _job_of(row) for row in rows}

    async def cancel_if_live(self, job_id: UUID) -> JobChange | None:
        """Cancel a waiting job, or ask the worker of a running one to stop; None when the job has ended or is unknown.

        One statement, so that a job which is started or handed back at that moment is either the one or the other.
        """
        rows = await self._work.fetch(
            f"""
            update jobs set {CANCEL} where job_id = $1 and state in ({LIVE_LIST}) returning job_id, version, state, kind
            """,
            job_id,
        )
        return change_of(rows[0]) if rows else None


def change_of(row: Row[Any]) -> JobChange:
    """The change that a `returning job_id, version, state, kind` tells of."""
    return JobChange(job_id=row.job_id, version=row.version, state=JobState(row.state), kind=JobKind(row.kind))


def insert_values(jobs: Sequence[NewJob], *, now: datetime) -> tuple[object, ...]:
    """The parameters of `INSERT_JOBS`."""
    return (
        [job.job_id for job in jobs],
        [job.kind.value for job in jobs],
        [QUEUE_OF[job.kind] for job in jobs],
        [job.spec for job in jobs],
        [msgspec.json.encode(job.labels).decode() for job in jobs],
        [job.run_at for job in jobs],
        [job.max_attempts for job in jobs],
        [job.principal_id for job in jobs],
        [job.priority for job in jobs],
        [job.expires_at for job in jobs],
        [job.unique_key for job in jobs],
        [job.limit_key for job in jobs],
        [job.parent_id for job in jobs],
        [job.completion for job in jobs],
        [job.traceparent for job in jobs],
        [job.requeue_of for job in jobs],
        [job.effect_id for job in jobs],
        now,
    )


def first_ring(job: NewJob) -> Ring:
    """The ring of a job that was inserted as `queued`."""
    return Ring(job.job_id, FIRST_DISPATCH, QUEUE_OF[job.kind], rank_of(job.run_at, job.priority))


def ring_of(row: Row[Any]) -> Ring:
    """The ring that a `returning job_id, dispatch_no, queue, run_at, priority` asks for."""
    return Ring(row.job_id, row.dispatch_no, row.queue, rank_of(row.run_at, row.priority))


def _job_of(row: Row[Any]) -> Job:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name of a row's mapping
    blocked_by = BlockReason(row.blocked_by) if row.blocked_by else None
    return Job(**values | {"kind": JobKind(row.kind), "state": JobState(row.state), "blocked_by": blocked_by})
