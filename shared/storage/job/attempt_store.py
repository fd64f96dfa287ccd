"""The tries at jobs, written down in the transaction of their end and kept as long as the job."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from shared.domain.job.jobs import Attempt, AttemptOutcome
from shared.domain.job.leases import JobChange, JobEnd
from shared.storage.database import UnitOfWork
from shared.storage.storable import json_or_none, storable_or_none


class AttemptStore:
    """Adds and reads attempts within one unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def add(
        self, ends: Sequence[JobEnd], *, owner: str, accepted: Mapping[UUID, JobChange], version: str | None = None
    ) -> None:
        """Write down each try, with the worker's `version`; without it, the one that the worker reported of itself.

        Those whose job is not among `accepted` came too late and are `fenced`: they say more than the `lost` that
        upkeep wrote down for them. Any other try already written (the commit's answer was lost and the write repeated)
        stays as it is.
        """
        outcomes = [end.outcome if end.claimed.job_id in accepted else AttemptOutcome.FENCED for end in ends]
        await self._work.run(
            """
            insert into job_attempts (job_id, attempt, dispatch_no, worker_id, started_at, finished_at, outcome, code,
                                      message, queue_wait_ms, run_ms, detail, worker_version, fingerprint, due_at,
                                      queued_at, blocked_ms, claim_ms)
            select job_id, attempt, dispatch_no, $1, started_at, finished_at, outcome, code, message, queue_wait_ms,
                   greatest(0, extract(epoch from finished_at - started_at) * 1000), detail::jsonb,
                   coalesce($2::text, (select version from workers where workers.worker_id = $1)), fingerprint,
                   due_at, queued_at, blocked_ms, claim_ms
            from unnest($3::uuid[], $4::int2[], $5::int4[], $6::timestamptz[], $7::timestamptz[], $8::text[],
                        $9::text[], $10::text[], $11::float8[], $12::text[], $13::text[], $14::timestamptz[],
                        $15::timestamptz[], $16::float8[], $17::float8[])
                 as a (job_id, attempt, dispatch_no, started_at, finished_at, outcome, code, message,
                       queue_wait_ms, detail, fingerprint, due_at, queued_at, blocked_ms, claim_ms)
            where exists (select from jobs where jobs.job_id = a.job_id)
            on conflict (job_id, attempt, dispatch_no) do update
            set outcome = excluded.outcome, finished_at = excluded.finished_at, code = excluded.code,
                message = excluded.message, run_ms = excluded.run_ms, detail = excluded.detail,
                worker_version = excluded.worker_version, fingerprint = excluded.fingerprint,
                claim_ms = excluded.claim_ms, recorded_at = now()
            where job_attempts.outcome = 'lost' and excluded.outcome = 'fenced'
            """,
            owner,
            version,
            [end.claimed.job_id for end in ends],
            [end.claimed.attempt for end in ends],
            [end.claimed.dispatch_no for end in ends],
            [end.claimed.started_at for end in ends],
            [end.finished_at for end in ends],
            [outcome.value for outcome in outcomes],
            [end.failure.code if end.failure else None for end in ends],
            [storable_or_none(end.failure.message if end.failure else None) for end in ends],
            [end.claimed.queue_wait_ms for end in ends],
            [json_or_none(end.detail) for end in ends],
            [end.fingerprint for end in ends],
            [end.claimed.due_at for end in ends],
            [end.claimed.queued_at for end in ends],
            [end.claimed.blocked_ms for end in ends],
            [end.claimed.claim_ms for end in ends],
        )

    async def list_of(self, job_id: UUID) -> list[Attempt]:
        """All tries at a job, the first one first."""
        rows = await self._work.fetch(
            """
            select job_id, attempt, dispatch_no, worker_id, started_at, finished_at, outcome, code, message,
                   queue_wait_ms, run_ms, detail, worker_version, fingerprint, due_at, queued_at, blocked_ms, claim_ms,
                   recorded_at
            from job_attempts where job_id = $1 order by attempt, dispatch_no
            """,
            job_id,
        )
        return [_attempt_of(row) for row in rows]


def _attempt_of(row: Row[Any]) -> Attempt:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name of a row's mapping
    return Attempt(**values | {"outcome": AttemptOutcome(row.outcome)})
