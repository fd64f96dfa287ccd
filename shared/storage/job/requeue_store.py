"""Making new jobs of ended ones: each ended job is requeued at most once, by a unique index."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import msgspec
from uuid_utils.compat import uuid7

from shared.domain.job.jobs import JobKind, JobState, Ring
from shared.domain.job.requeue import RequeueChanges, Requeued, RequeueFilter, Tally
from shared.storage.database import UnitOfWork
from shared.storage.job.job_store import ring_of
from shared.storage.tables.jobs import TERMINAL_LIST

Place = tuple[datetime, UUID]
"""Where a walk over ended jobs stands: the end and the id of the last one."""

_START: Place = (datetime.fromtimestamp(0).astimezone(), UUID(int=0))


@dataclass(frozen=True, slots=True)
class Requeuer:
    """Who requeues, for which requeue job, and with which changes."""

    principal_id: str
    changes: RequeueChanges = field(default_factory=RequeueChanges)
    parent_id: UUID | None = None


class RequeueStore:
    """Finds ended jobs and makes new ones of them, within one unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def find_successor(self, job_id: UUID) -> UUID | None:
        """The job that runs this one anew."""
        rows = await self._work.fetch("select job_id from jobs where requeue_of = $1", job_id)
        return rows[0].job_id if rows else None

    async def is_still_to_do(self, job_id: UUID, token: UUID) -> bool:
        """Whether the lease stands and no cancel was asked for; that cannot change while this unit of work lasts."""
        rows = await self._work.fetch(
            "select 1 from jobs where job_id = $1 and lease_token = $2 and cancel_requested_at is null for share",
            job_id,
            token,
        )
        return bool(rows)

    async def requeue_ended(self, job_ids: Sequence[UUID], by: Requeuer) -> tuple[list[Requeued], list[Ring]]:
        """Make new jobs of those that have ended and were not requeued; the rings are for those that are due.

        A unique key that a living job has is left out.
        """
        made, rings = await self._insert(job_ids, by, keeps_unique_key=True)
        done = {each.old_id for each in made}
        rest = [job_id for job_id in job_ids if job_id not in done]
        if rest:
            # What conflicts again here was requeued already, or has not ended.
            more, more_rings = await self._insert(rest, by, keeps_unique_key=False)
            made, rings = made + more, rings + more_rings
        return made, rings

    async def _insert(
        self, job_ids: Sequence[UUID], by: Requeuer, *, keeps_unique_key: bool
    ) -> tuple[list[Requeued], list[Ring]]:
        rows = await self._work.fetch(
            f"""
            insert into jobs (job_id, kind, queue, state, priority, spec, labels, run_at, max_attempts, principal_id,
                              unique_key, limit_key, parent_id, completion, traceparent, requeue_of, effect_id,
                              queued_at, created_at, updated_at)
            select n.new_id, j.kind, j.queue, case when due.at > now() then 'scheduled' else 'queued' end,
                   coalesce($6::int2, j.priority), j.spec, j.labels, due.at, coalesce($5::int2, j.max_attempts), $3,
                   case when $8 then j.unique_key end, j.limit_key, $7, j.completion, j.traceparent, j.job_id,
                   coalesce(j.effect_id, j.job_id), case when due.at <= now() then now() end, now(), now()
            from unnest($1::uuid[], $2::uuid[]) as n (old_id, new_id)
            join jobs j on j.job_id = n.old_id and j.state in ({TERMINAL_LIST}) and j.kind <> '{JobKind.ROUND.value}'
            cross join (select greatest($4::timestamptz, now()) as at) due
            order by case when $8 then j.unique_key end, j.job_id
            on conflict do nothing
            returning job_id, requeue_of, state, dispatch_no, queue, run_at, priority
            """,
            list(job_ids),
            [uuid7() for _ in job_ids],
            by.principal_id,
            by.changes.run_at,
            by.changes.max_attempts,
            by.changes.priority,
            by.parent_id,
            keeps_unique_key,
        )
        rings = [ring_of(row) for row in rows if row.state == JobState.QUEUED]
        return [Requeued(row.requeue_of, row.job_id) for row in rows], rings

    async def list_matching(
        self, wanted: RequeueFilter, *, requeue_job_id: UUID, after: Place | None, limit: int
    ) -> list[Place]:
        """Ended jobs that the filter finds, the first to have ended first, on from `after`.

        What the requeue job itself has made is left out: what failed anew is not its to run again.
        """
        where, values = _matching(wanted)
        place = len(values)
        rows = await self._work.fetch(
            f"""
            select j.finished_at, j.job_id from jobs j
            where {where} and (j.finished_at, j.job_id) > (${place + 1}::timestamptz, ${place + 2}::uuid)
              and j.parent_id is distinct from ${place + 3}::uuid
            order by j.finished_at, j.job_id limit ${place + 4}
            """,
            *values,
            *(after or _START),
            requeue_job_id,
            limit,
        )
        return [(row.finished_at, row.job_id) for row in rows]

    async def count_matching(self, wanted: RequeueFilter, *, at_most: int) -> int:
        """How many jobs the filter finds, counting no further than `at_most`."""
        where, values = _matching(wanted)
        rows = await self._work.fetch(
            f"select count(*) as n from (select from jobs j where {where} limit ${len(values) + 1}) found",
            *values,
            at_most,
        )
        return int(rows[0].n)

    async def tally(self, requeue_job_id: UUID) -> Tally:
        """What became of the jobs that the requeue job has made."""
        rows = await self._work.fetch(
            f"""
            select count(*) as requeued, count(*) filter (where state = 'succeeded') as succeeded,
                   count(*) filter (where state in ({TERMINAL_LIST}) and state <> 'succeeded') as failed
            from jobs where parent_id = $1 and requeue_of is not null
            """,
            requeue_job_id,
        )
        return Tally(rows[0].requeued, rows[0].succeeded, rows[0].failed)


def _matching(wanted: RequeueFilter) -> tuple[str, list[object]]:
    """The condition and its parameters, without those that do not narrow.

    The states stand in it as they are, since the planner chooses partial indexes by them.
    """
    states = ", ".join(f"'{state.value}'" for state in wanted.states)
    labels = msgspec.json.encode(wanted.labels).decode() if wanted.labels else None
    terms: tuple[tuple[str, object], ...] = (
        ("j.kind = {}", wanted.kind),
        ("j.labels <> '{{}}'::jsonb and j.labels @> {}::jsonb", labels),
        ("j.error_fingerprint = {}", wanted.fingerprint),
        ("j.error->>'code' = {}", wanted.error_code),
        ("j.finished_at > {}", wanted.finished_after),
        ("j.finished_at < {}", wanted.finished_before),
    )
    narrowing = [(term, value) for term, value in terms if value is not None]
    where = [
        f"j.state in ({states}) and j.kind not in ('{JobKind.REQUEUE.value}', '{JobKind.ROUND.value}')",
        "not exists (select from jobs newer where newer.requeue_of = j.job_id)",
        *(term.format(f"${place}") for place, (term, _) in enumerate(narrowing, start=1)),
    ]
    return " and ".join(where), [value for _, value in narrowing]
