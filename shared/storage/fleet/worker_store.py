"""Worker processes as they last reported themselves, and what was ordered of them."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Row

from shared.domain.fleet.workers import HeldJob, Worker, WorkerOrder, WorkerReport, WorkerState
from shared.domain.job.jobs import JobKind
from shared.domain.target.egress_canary import EgressState
from shared.storage.database import UnitOfWork

_COLUMNS = """
    worker_id, host, pid, version, queues, slots, busy, loop_lag_ms, rss_bytes, lease_seconds, started_at, beat_at,
    state, ordered, egress, checks_per_second, cpu_share,
    extract(epoch from now() - beat_at)::float8 as beat_age_seconds
"""


class WorkerStore:
    """Reads and writes workers within one unit of work. All times are the database's."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def report(self, report: WorkerReport) -> WorkerOrder | None:
        """Write down what a worker says of itself, and answer what is ordered of it."""
        rows = await self._work.fetch(
            """
            insert into workers as w (worker_id, host, pid, version, queues, slots, busy, loop_lag_ms, rss_bytes,
                                      lease_seconds, state, egress, checks_per_second, cpu_share, started_at, beat_at)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, now(), now())
            on conflict (worker_id) do update
            set busy = excluded.busy, loop_lag_ms = excluded.loop_lag_ms, rss_bytes = excluded.rss_bytes,
                state = excluded.state, egress = excluded.egress, checks_per_second = excluded.checks_per_second,
                cpu_share = excluded.cpu_share, beat_at = excluded.beat_at
            returning w.ordered
            """,
            report.worker_id,
            report.host,
            report.pid,
            report.version,
            list(report.queues),
            report.slots,
            report.busy,
            report.loop_lag_ms,
            report.rss_bytes,
            report.lease_seconds,
            report.state.value,
            report.egress.value,
            report.checks_per_second,
            report.cpu_share,
        )
        return _order_of(rows[0].ordered)

    async def remove(self, worker_id: str) -> None:
        """Forget a worker that has stopped."""
        await self._work.run("delete from workers where worker_id = $1", worker_id)

    async def delete_silent(self, *, for_longer_than: timedelta, limit: int) -> int:
        """Forget workers that have not reported themselves for so long, at most `limit`; how many that were."""
        rows = await self._work.fetch(
            """
            delete from workers where worker_id in (
                select worker_id from workers where beat_at < now() - $1::interval
                order by worker_id limit $2 for update skip locked)
            returning worker_id
            """,
            for_longer_than,
            limit,
        )
        return len(rows)

    async def order(self, worker_id: str, order: WorkerOrder | None) -> Worker | None:
        """Order something of a worker, or take it back; None when there is no such worker."""
        rows = await self._work.fetch(
            f"update workers set ordered = $2 where worker_id = $1 returning {_COLUMNS}",
            worker_id,
            order.value if order else None,
        )
        return _worker_of(rows[0]) if rows else None

    async def find(self, worker_id: str) -> Worker | None:
        """The worker of this id."""
        rows = await self._work.fetch(f"select {_COLUMNS} from workers where worker_id = $1", worker_id)
        return _worker_of(rows[0]) if rows else None

    async def list_workers(self, *, after: str | None, limit: int) -> list[Worker]:
        """Workers in the order of their ids, those behind `after`."""
        rows = await self._work.fetch(
            f"select {_COLUMNS} from workers where worker_id > $1 order by worker_id limit $2", after or "", limit
        )
        return [_worker_of(row) for row in rows]

    async def list_held(self, worker_id: str, *, limit: int) -> Sequence[HeldJob]:
        """The jobs that a worker has the lease of, the longest running first."""
        rows = await self._work.fetch(
            """
            select job_id, kind, queue, attempt, started_at, lease_expires_at,
                   cancel_requested_at is not null as is_cancel_requested
            from jobs where state = 'running' and lease_owner = $1 order by started_at, job_id limit $2
            """,
            worker_id,
            limit,
        )
        return [_held_of(row) for row in rows]


def _worker_of(row: Row[Any]) -> Worker:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name of a row's mapping
    named = {"state": WorkerState(row.state), "ordered": _order_of(row.ordered), "egress": EgressState(row.egress)}
    return Worker(**values | named)


def _held_of(row: Row[Any]) -> HeldJob:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name of a row's mapping
    return HeldJob(**values | {"kind": JobKind(row.kind)})


def _order_of(value: str | None) -> WorkerOrder | None:
    return None if value is None else WorkerOrder(value)
