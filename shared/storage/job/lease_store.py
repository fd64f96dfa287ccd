"""The leases of running jobs: claimed by compare-and-set, kept by heartbeats, fencing every later write."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from shared.domain.job.jobs import Failure, JobKind, JobState, Ring
from shared.domain.job.leases import ClaimedJob, ExpiredLease, JobChange, JobEnd, LeaseAnswer, LeaseBeat
from shared.storage.database import UnitOfWork
from shared.storage.job.job_store import change_of
from shared.storage.storable import json_or_none

CLAIMED_COLUMNS = """
    j.job_id, j.kind, j.queue, j.spec::text as spec, j.attempt, j.max_attempts, j.dispatch_no, j.lease_token,
    j.started_at, extract(epoch from j.started_at - coalesce(j.queued_at, j.created_at)) * 1000 as queue_wait_ms,
    j.run_at as due_at, j.principal_id, j.priority, j.queued_at, j.blocked_ms, j.snoozes, j.limit_key,
    j.traceparent, j.effect_id, j.progress, j.completion is not null as has_completion
"""
"""What a `ClaimedJob` is made of, of the table `jobs` as `j`."""

_CLAIMED_FIELDS = tuple(field.name for field in fields(ClaimedJob) if field.name != "claim_ms")


class LeaseStore:
    """Claims, beats and ends of running jobs within one unit of work. All times of a lease are the database's."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def claim_queued(
        self, rings: Sequence[tuple[Ring, UUID]], *, owner: str, lease: timedelta
    ) -> tuple[dict[UUID, ClaimedJob], list[JobChange]]:
        """Take the jobs whose dispatch still stands, each under its own lease token; twice under one token is once.

        What is not in the answer was stale (claimed by somebody else, cancelled, past its deadline, dispatched anew),
        or is not free to go: its queue is paused, or it has a limit key. A row that another transaction holds is
        waited for, because upkeep may be confirming its ring: skipped, it would lie until its ring is missed. Every
        transaction takes several rows in the order of their ids, or skips.
        """
        free = """
            j.state = 'queued' and j.blocked_by is null and j.limit_key is null
            and (j.expires_at is null or j.expires_at > now())
            and not exists (select from queues q where q.queue = j.queue and q.paused_at is not null)
        """
        return await self._claim(rings, free, owner=owner, lease=lease)

    async def claim_admitted(
        self, rings: Sequence[tuple[Ring, UUID]], *, owner: str, lease: timedelta
    ) -> tuple[dict[UUID, ClaimedJob], list[JobChange]]:
        """Take the jobs that have just been found free to go, their rows locked by this unit of work."""
        return await self._claim(rings, "j.state = 'queued' and j.blocked_by is null", owner=owner, lease=lease)

    async def _claim(
        self, rings: Sequence[tuple[Ring, UUID]], is_free: str, *, owner: str, lease: timedelta
    ) -> tuple[dict[UUID, ClaimedJob], list[JobChange]]:
        rows = await self._work.fetch(
            f"""
            with rung as (
                select j.job_id, r.token
                from unnest($1::uuid[], $2::int4[], $3::uuid[]) as r (job_id, dispatch_no, token)
                join jobs j on j.job_id = r.job_id and j.dispatch_no = r.dispatch_no
                where j.lease_token = r.token or ({is_free})
                order by j.job_id for no key update of j
            )
            update jobs j
            set state = 'running', attempt = attempt + (state = 'queued')::int, lease_token = rung.token,
                lease_owner = $4, lease_expires_at = now() + $5::interval, started_at = now(), place_until = null,
                version = version + 1, updated_at = now()
            from rung where j.job_id = rung.job_id
            returning j.version, j.state, {CLAIMED_COLUMNS}
            """,
            [ring.job_id for ring, _ in rings],
            [ring.dispatch_no for ring, _ in rings],
            [token for _, token in rings],
            owner,
            lease,
        )
        return {row.job_id: claimed_of(row) for row in rows}, [change_of(row) for row in rows]

    async def extend(self, beats: Sequence[LeaseBeat], *, lease: timedelta) -> dict[UUID, LeaseAnswer]:
        """Extend the leases and write the news of progress; the answer has the tokens of those that still stand.

        Only news changes a row's version: a job that says nothing is extended in silence.
        """
        rows = await self._work.fetch(
            """
            with held as (
                select j.job_id, b.progress
                from unnest($1::uuid[], $2::uuid[], $3::text[]) as b (job_id, token, progress)
                join jobs j on j.job_id = b.job_id and j.lease_token = b.token and j.state = 'running'
                order by j.job_id for no key update of j
            )
            update jobs j
            set lease_expires_at = now() + $4::interval, progress = coalesce(held.progress::jsonb, j.progress),
                version = j.version + (held.progress is not null)::int,
                updated_at = case when held.progress is null then j.updated_at else now() end
            from held where j.job_id = held.job_id
            returning j.job_id, j.version, j.state, j.kind, j.lease_token, held.progress is not null as is_news,
                      j.cancel_requested_at is not null as is_cancel_requested
            """,
            [beat.job_id for beat in beats],
            [beat.token for beat in beats],
            [json_or_none(beat.progress) for beat in beats],
            lease,
        )
        return {
            row.lease_token: LeaseAnswer(row.is_cancel_requested, change_of(row) if row.is_news else None)
            for row in rows
        }

    async def end_if_leased(self, ends: Sequence[JobEnd]) -> dict[UUID, JobChange]:
        """Move the jobs whose lease token still stands; those not in the answer had lost their lease.

        An attempt `released` or `snoozed` is not spent. One whose cancel was asked for is not tried again.
        """
        rows = await self._work.fetch(
            """
            with decided as (
                select j.job_id, e.result, e.error, e.fingerprint, e.progress, e.run_at, e.outcome,
                       case when j.cancel_requested_at is not null and e.state in ('retrying', 'queued')
                            then 'cancelled' else e.state end as next_state
                from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::text[],
                            $8::text[], $9::text[])
                     as e (job_id, token, state, result, error, run_at, outcome, fingerprint, progress)
                join jobs j on j.job_id = e.job_id and j.lease_token = e.token and j.state = 'running'
                order by j.job_id for no key update of j
            )
            update jobs j
            set state = next_state, lease_token = null, lease_owner = null, lease_expires_at = null,
                finished_at = case when next_state = any($10::text[]) then now() end,
                result = coalesce(decided.result::jsonb, j.result), error = decided.error::jsonb,
                error_fingerprint = decided.fingerprint, progress = coalesce(decided.progress::jsonb, j.progress),
                run_at = coalesce(decided.run_at, j.run_at),
                attempt = j.attempt - (outcome in ('released', 'snoozed'))::int,
                snoozes = j.snoozes + (outcome = 'snoozed')::int,
                lost_attempts = j.lost_attempts + (outcome = 'lost')::int,
                dispatch_no = j.dispatch_no + (next_state = 'queued')::int, dispatched_at = null,
                queued_at = case when next_state = 'queued' then now() end, blocked_ms = 0,
                version = j.version + 1, updated_at = now()
            from decided where j.job_id = decided.job_id
            returning j.job_id, j.version, j.state, j.kind
            """,
            [end.claimed.job_id for end in ends],
            [end.claimed.lease_token for end in ends],
            [end.state.value for end in ends],
            [json_or_none(end.result) for end in ends],
            [error_of(end.failure) for end in ends],
            [end.run_at for end in ends],
            [end.outcome.value for end in ends],
            [end.fingerprint for end in ends],
            [json_or_none(end.progress) for end in ends],
            sorted(state.value for state in JobState if state.is_terminal),
        )
        return {row.job_id: change_of(row) for row in rows}

    async def lock_expired(self, *, limit: int) -> list[ExpiredLease]:
        """Jobs whose lease ran out, locked, the longest ago first."""
        rows = await self._work.fetch(
            f"""
            select {CLAIMED_COLUMNS}, lease_owner, lost_attempts, cancel_requested_at is not null as is_cancel_requested
            from jobs j where state = 'running' and lease_expires_at < now()
            order by lease_expires_at limit $1 for no key update skip locked
            """,
            limit,
        )
        return [
            ExpiredLease(claimed_of(row), row.lease_owner, row.lost_attempts, row.is_cancel_requested) for row in rows
        ]


def error_of(failure: Failure | None) -> str | None:
    """A failure as the job's `error` shows it, JSON."""
    if failure is None:
        return None
    return json_or_none({"code": failure.code, "message": failure.message})


def claimed_of(row: Row[Any]) -> ClaimedJob:
    """The job whose columns a statement returns as `CLAIMED_COLUMNS`."""
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name of a row's mapping
    named = {name: values[name] for name in _CLAIMED_FIELDS}
    return ClaimedJob(**named | {"kind": JobKind(row.kind), "queue_wait_ms": float(row.queue_wait_ms)})
