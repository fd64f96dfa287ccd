"""Rounds that have ended: those not worked off yet to be told as missed, and those to be forgotten."""

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from shared.domain.monitor.scheduling import BrokenRound, RoundEnd
from shared.domain.monitor.slots import Visit
from shared.storage.advisory_locks import SAMPLE_WRITERS
from shared.storage.database import UnitOfWork
from shared.storage.sample.partition_retention import LOCK_TIMEOUT


class Unsettled(NamedTuple):
    """A round that was not worked off, and its spec."""

    job_id: UUID
    spec: str
    broken: BrokenRound


class RoundEndStore:
    """Reads, settles and deletes ended rounds within one unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def lock_unsettled(self, *, limit: int) -> list[Unsettled]:
        """Lock rounds that failed, expired or were cancelled and whose slots nobody has accounted for."""
        rows = await self._work.fetch(
            """
            select job_id, spec::text as spec, state, attempt, blocked_ms, expires_at, finished_at from jobs
            where kind = 'round' and settled_at is null and state in ('cancelled', 'expired', 'failed')
            order by finished_at limit $1 for no key update skip locked
            """,
            limit,
        )
        return [
            Unsettled(
                row.job_id,
                row.spec,
                BrokenRound(RoundEnd(row.state), row.attempt, row.blocked_ms > 0, row.expires_at, row.finished_at),
            )
            for row in rows
        ]

    async def wait_for_writers(self) -> None:
        """Let nobody be in the middle of writing samples until the end of this unit of work.

        A worker may be writing down what it found while its lease was still good. Whoever begins later finds it lost.

        Raises:
            DBAPIError: writers took too long; what was locked is to be let go.
        """
        await self._work.run("select set_config('lock_timeout', $1, true)", LOCK_TIMEOUT)
        await self._work.run("select pg_advisory_xact_lock($1)", SAMPLE_WRITERS)
        await self._work.run("select set_config('lock_timeout', '0', true)")

    async def list_unrecorded(self, visits: Sequence[Visit]) -> list[int]:
        """The places of those of the looks that are not accounted for, of monitors that are still there.

        The monitors stay until the end of this unit of work.
        """
        rows = await self._work.fetch(
            """
            with looks as (
                select place, monitor_id, slot
                from unnest($1::uuid[], $2::timestamptz[]) with ordinality as v (monitor_id, slot, place)
            ), present as materialized (
                select monitor_id, series_id from monitors where monitor_id in (select monitor_id from looks)
                order by monitor_id for key share
            )
            select place from looks join present p using (monitor_id)
            where not exists (select from sample s where s.series_id = p.series_id and s.ts = looks.slot)
              and not exists (select from sample_late s where s.series_id = p.series_id and s.ts = looks.slot)
              and not exists (select from slot_gaps g where g.monitor_id = p.monitor_id and g.first_slot = looks.slot)
            order by place
            """,
            [visit.monitor_id for visit in visits],
            [visit.slot for visit in visits],
        )
        return [row.place - 1 for row in rows]

    async def mark_settled(self, job_ids: Sequence[UUID]) -> None:
        """Say that the slots of these rounds are accounted for."""
        await self._work.run("update jobs set settled_at = now() where job_id = any($1::uuid[])", list(job_ids))

    async def delete_gaps(self, *, older_than: timedelta, limit: int) -> int:
        """Delete what is told of slots that were missed longer ago than that; answer how many rows."""
        result = await self._work.run(
            """
            delete from slot_gaps where (monitor_id, first_slot, reason) in (
                select monitor_id, first_slot, reason from slot_gaps where last_slot < now() - $1::interval
                order by last_slot limit $2 for update skip locked)
            """,
            older_than,
            limit,
        )
        return result.rowcount

    async def delete_ended(self, *, succeeded_before: timedelta, settled_before: timedelta, limit: int) -> int:
        """Delete rounds that ended longer ago than that, with their attempts; answer how many.

        Those that were not worked off stay longer, and until they are settled.
        """
        result = await self._work.run(
            """
            delete from jobs where job_id in (
                select job_id from jobs
                where kind = 'round' and finished_at is not null and finished_at < now() - $1::interval
                  and (state = 'succeeded' or (settled_at is not null and finished_at < now() - $2::interval))
                order by finished_at limit $3 for update skip locked)
            """,
            succeeded_before,
            settled_before,
            limit,
        )
        return result.rowcount
