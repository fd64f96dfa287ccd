"""Reads the moments of jobs and their attempts, of one job or of a sample over a window."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from shared.domain.job.job_ids import first_id_of
from shared.domain.job.jobs import AttemptOutcome, JobKind, JobState
from shared.domain.job.timeline import AttemptTimes, JobLife
from shared.storage.database import UnitOfWork

_LIFE = """
    j.created_at, j.state, j.run_at, j.attempt, j.queued_at, j.blocked_ms, j.started_at, j.finished_at,
    case when j.blocked_by is not null then j.blocked_since end as blocked_since, j.lease_owner as worker_id
"""


class TimelineStore:
    """Reads within one unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def find_life(self, job_id: UUID) -> JobLife | None:
        """The job's own moments; None for no such job."""
        rows = await self._work.fetch(f"select {_LIFE} from jobs j where job_id = $1", job_id)
        return _life_of(rows[0]) if rows else None

    async def sample_lives(
        self, kind: JobKind | None, *, start: datetime, end: datetime, slices: int, per_slice: int
    ) -> dict[UUID, JobLife]:
        """Some of the jobs submitted in `[start, end)`: at most `per_slice` of each of as many equal parts of it.

        Ids are ordered by time (RFC 9562), so that each part is found without a walk.
        """
        bounds = [first_id_of(start + (end - start) * number / slices) for number in range(slices + 1)]
        rows = await self._work.fetch(
            f"""
            select j.* from unnest($1::uuid[], $2::uuid[]) as part (low, high)
            cross join lateral (
                select j.job_id, {_LIFE} from jobs j
                where j.job_id >= part.low and j.job_id < part.high and ($3::text is null or j.kind = $3)
                order by j.job_id limit $4) j
            """,
            bounds[:-1],
            bounds[1:],
            kind.value if kind else None,
            per_slice,
        )
        return {row.job_id: _life_of(row) for row in rows}

    async def list_attempts(self, job_ids: Iterable[UUID]) -> Mapping[UUID, Sequence[AttemptTimes]]:
        """The attempts of the jobs; those without any are left out."""
        rows = await self._work.fetch(
            """
            select job_id, attempt, worker_id, outcome, due_at, queued_at, blocked_ms, claim_ms, started_at,
                   finished_at, recorded_at
            from job_attempts where job_id = any($1::uuid[])
            """,
            list(job_ids),
        )
        attempts: dict[UUID, list[AttemptTimes]] = {}
        for row in rows:
            attempts.setdefault(row.job_id, []).append(_attempt_of(row))
        return attempts


def _life_of(row: Row[Any]) -> JobLife:
    return JobLife(
        created_at=row.created_at,
        state=JobState(row.state),
        run_at=row.run_at,
        attempt=row.attempt,
        queued_at=row.queued_at,
        blocked_ms=row.blocked_ms,
        blocked_since=row.blocked_since,
        started_at=row.started_at,
        finished_at=row.finished_at,
        worker_id=row.worker_id,
    )


def _attempt_of(row: Row[Any]) -> AttemptTimes:
    values = {name: value for name, value in row._mapping.items() if name != "job_id"}  # noqa: SLF001 - SQLAlchemy's public name of a row's mapping
    return AttemptTimes(**values | {"outcome": AttemptOutcome(row.outcome)})
