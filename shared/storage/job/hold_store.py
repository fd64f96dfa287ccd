"""Jobs that a pause or a limit holds back: parked when their ring comes, let go when there is room again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from shared.domain.fleet.limits import PLACE_KEPT, Claimant, Verdict, decide_admission, decide_claims
from shared.domain.job.jobs import BlockReason, Ring
from shared.domain.job.leases import ClaimedJob, JobChange
from shared.storage.database import UnitOfWork
from shared.storage.fleet.limit_store import IS_HELD, LimitStore
from shared.storage.job.job_store import HELD_NO_MORE, change_of, ring_of
from shared.storage.job.lease_store import LeaseStore

RELEASE_BATCH = 500
"""How many jobs of one limit or one queue are let go at once at most."""
RELEASE_AT_ONCE = 2000
"""How many are over all limits; what is left is let go by the next run, which follows at once."""

_LET_GO = f"""
    {HELD_NO_MORE}, dispatch_no = dispatch_no + 1, dispatched_at = null, version = version + 1, updated_at = now()
"""


@dataclass(frozen=True, slots=True)
class Released:
    """Jobs that were let go: their new rings, and what readers are told."""

    rings: list[Ring]
    changes: list[JobChange]


class HoldStore:
    """Parks and lets go within one unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work
        self._limits = LimitStore(work)

    async def settle(
        self, rings: Sequence[tuple[Ring, UUID]], *, owner: str, lease: timedelta
    ) -> tuple[dict[UUID, ClaimedJob], list[JobChange]]:
        """Claim those of the rings' jobs that may start now, as `LeaseStore.claim_queued` does, and park the others.

        What is neither claimed nor parked was stale.
        """
        waiting = await self._lock_waiting([ring for ring, _ in rings])
        paused = {row.job_id: BlockReason.PAUSED for row in waiting if row.is_paused}
        unpaused = [row for row in waiting if not row.is_paused]
        verdicts = await self._judge([row for row in unpaused if row.limit_key is not None])
        held = paused | {
            job_id: verdict.reason or BlockReason.CONCURRENCY for verdict in verdicts for job_id in verdict.held
        }
        free = {row.job_id for row in unpaused} - set(held)
        changes = await self._park(held) if held else []
        if not free:
            return {}, changes
        admitted = [(ring, token) for ring, token in rings if ring.job_id in free]
        claimed, started = await LeaseStore(self._work).claim_admitted(admitted, owner=owner, lease=lease)
        return claimed, changes + started

    async def list_blocked_keys(self, *, after: str, limit: int) -> list[str]:
        """At most `limit` keys under which jobs are held back, in order, those behind `after`: a walk from key to key.

        Its cost is that of the keys, however many jobs each of them holds.
        """
        rows = await self._work.fetch(
            f"""
            with recursive held as (
                (select limit_key from jobs where {IS_HELD} and limit_key > $1 order by limit_key limit 1)
                union all
                select (select limit_key from jobs where {IS_HELD} and limit_key > held.limit_key
                        order by limit_key limit 1)
                from held where held.limit_key is not null
            )
            select limit_key from held where limit_key is not null limit $2
            """,
            after,
            limit,
        )
        return [row.limit_key for row in rows]

    async def release_if_room(self, limit_keys: Sequence[str]) -> Released:
        """Let go of what there is room for, looking before anything is locked: mostly there is none."""
        rooms = await self._rooms(limit_keys, is_locked=False)
        return await self.release_for([key for key, room in rooms.items() if room])

    async def release_for(self, limit_keys: Sequence[str]) -> Released:
        """Let go of as many held jobs of each key as there is room for, the best priority first, then the oldest.

        The limits are locked, so that a job which is being parked right now is seen after, not missed.
        """
        rooms = {key: room for key, room in (await self._rooms(limit_keys, is_locked=True)).items() if room}
        if not rooms:
            return Released([], [])
        rows = await self._work.fetch(
            f"""
            with going as (
                select h.job_id from unnest($1::text[], $2::int4[]) as r (limit_key, room)
                cross join lateral (
                    select job_id from jobs
                    where limit_key = r.limit_key and {IS_HELD}
                      and not exists (select from queues q where q.queue = jobs.queue and q.paused_at is not null)
                    order by priority desc, run_at limit r.room for no key update of jobs skip locked) h
                limit $4
            )
            update jobs set {_LET_GO}, place_until = now() + $3::interval
            where job_id in (select job_id from going)
            returning job_id, dispatch_no, queue, run_at, priority, version, state, kind
            """,
            list(rooms),
            list(rooms.values()),
            PLACE_KEPT,
            RELEASE_AT_ONCE,
        )
        return _released(rows)

    async def release_unpaused(self, *, limit: int) -> Released:
        """Let go of at most `limit` jobs of each queue that is no longer paused."""
        rows = await self._work.fetch(
            f"""
            with recursive queue_names as (
                (select queue from jobs where blocked_by = 'paused' order by queue limit 1)
                union all
                select (select queue from jobs where blocked_by = 'paused' and queue > n.queue order by queue limit 1)
                from queue_names n where n.queue is not null
            ), going as (
                select h.job_id from queue_names n
                cross join lateral (
                    select job_id from jobs where blocked_by = 'paused' and queue = n.queue
                    order by priority desc, run_at limit $1 for no key update of jobs skip locked) h
                where n.queue is not null
                  and not exists (select from queues q where q.queue = n.queue and q.paused_at is not null)
            )
            update jobs set {_LET_GO} where job_id in (select job_id from going)
            returning job_id, dispatch_no, queue, run_at, priority, version, state, kind
            """,
            limit,
        )
        return _released(rows)

    async def _lock_waiting(self, rings: Sequence[Ring]) -> Sequence[Row[Any]]:
        return await self._work.fetch(
            """
            select j.job_id, j.limit_key, j.priority, j.run_at, coalesce(j.place_until > now(), false) as has_place,
                   q.paused_at is not null as is_paused
            from unnest($1::uuid[], $2::int4[]) as r (job_id, dispatch_no)
            join jobs j on j.job_id = r.job_id and j.dispatch_no = r.dispatch_no and j.state = 'queued'
            left join queues q on q.queue = j.queue
            where j.blocked_by is null and (j.expires_at is null or j.expires_at > now())
            order by j.job_id for no key update of j
            """,
            [ring.job_id for ring in rings],
            [ring.dispatch_no for ring in rings],
        )

    async def _judge(self, rows: Sequence[Row[Any]]) -> list[Verdict]:
        """What becomes of jobs with a key; those whose key has no limit have no verdict and are free."""
        keys = sorted({row.limit_key for row in rows})
        limits = await self._limits.lock(keys) if keys else {}
        if not limits:
            return []
        standings = await self._limits.standings(list(limits))
        verdicts = {}
        for key, limit in limits.items():
            # A job that was rung twice is one claimant.
            mine = {row.job_id: row for row in rows if row.limit_key == key}
            claimants = [Claimant(row.job_id, row.priority, row.run_at, row.has_place) for row in mine.values()]
            verdicts[key] = decide_claims(limit, claimants, standings[key])
        moved = {key: verdict.tat for key, verdict in verdicts.items() if verdict.tat != limits[key].tat}
        if moved:
            await self._limits.set_arrivals(moved)
        return list(verdicts.values())

    async def _rooms(self, keys: Sequence[str], *, is_locked: bool) -> dict[str, int]:
        """How many held jobs of each key may go; all of a key that has no limit, a batch at a time."""
        if not keys:
            return {}
        limits = await (self._limits.lock(keys) if is_locked else self._limits.find(keys))
        standings = await self._limits.standings(keys)
        rooms = {}
        for key, standing in standings.items():
            rooms[key] = RELEASE_BATCH if standing.has_blocked else 0
            if key in limits and standing.has_blocked:
                rooms[key] = decide_admission(
                    limits[key],
                    running=standing.running,
                    wanted=RELEASE_BATCH,
                    now=standing.now,
                    promised=standing.promised,
                ).count
        return rooms

    async def _park(self, held: Mapping[UUID, BlockReason]) -> list[JobChange]:
        rows = await self._work.fetch(
            """
            update jobs j
            set blocked_by = h.reason, blocked_since = now(), place_until = null, dispatched_at = null,
                version = version + 1, updated_at = now()
            from unnest($1::uuid[], $2::text[]) as h (job_id, reason)
            where j.job_id = h.job_id and j.state = 'queued'
            returning j.job_id, j.version, j.state, j.kind
            """,
            list(held),
            [reason.value for reason in held.values()],
        )
        return [change_of(row) for row in rows]


def _released(rows: Sequence[Row[Any]]) -> Released:
    return Released([ring_of(row) for row in rows], [change_of(row) for row in rows])
