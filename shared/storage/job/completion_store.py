"""The notifications of jobs' ends, written in the transaction of the end: told of every end, and of no other."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from uuid_utils.compat import uuid7

from shared.domain.job.completions import EndedJob, completion_job
from shared.domain.job.jobs import JobKind, JobState, Ring
from shared.storage.database import UnitOfWork
from shared.storage.job.job_store import JobStore, first_ring


class CompletionStore:
    """Adds the notifications within one unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def add_for(self, job_ids: Sequence[UUID]) -> list[Ring]:
        """Add a notification for each of the jobs that this transaction ended and that has a webhook to be told.

        The answer is to be rung after the commit. A job that had ended before is passed over: its end was told then.
        """
        if not job_ids:
            return []
        rows = await self._work.fetch(
            """
            select job_id, kind, state, attempt, labels, result, error, finished_at, completion as webhook,
                   principal_id, priority, traceparent
            from jobs where job_id = any($1::uuid[]) and completion is not null and finished_at = now()
            order by job_id
            """,
            list(job_ids),
        )
        jobs = [completion_job(_ended_of(row), job_id=uuid7()) for row in rows]
        if jobs:
            await JobStore(self._work).insert(jobs, now=rows[0].finished_at)
        return [first_ring(job) for job in jobs]


def _ended_of(row: Row[Any]) -> EndedJob:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name of a row's mapping
    return EndedJob(**values | {"kind": JobKind(row.kind), "state": JobState(row.state)})
