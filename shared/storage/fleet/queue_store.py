"""What is set of queues, and how they stand: counted up to bounds, rates from the latest rows alone."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row

from shared.domain.fleet.queues import Flow, QueueFigures, QueueSettings
from shared.domain.job.job_ids import first_id_of
from shared.domain.job.jobs import BlockReason, JobKind
from shared.storage.database import UnitOfWork
from shared.storage.fleet.limit_store import IS_HELD
from shared.storage.job.job_store import QUEUE_OF
from shared.storage.tables.jobs import TERMINAL_LIST

COUNT_AT_MOST = 100_000
"""How many jobs are counted at most of each state but `queued`, which is counted up to the queue's own limit."""
OLDEST_AMONG = 10_000
"""Among how many of the oldest due jobs one is looked for that nothing holds back."""
RATE_SECONDS = 60.0
RATE_ROWS = 10_000
"""Rates are those of the last minute, or of as many rows, whichever is less."""

_KIND_OF = {queue: kind for kind, queue in QUEUE_OF.items()}


class QueueStore:
    """Reads and writes queues within one unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def read_settings(self) -> dict[JobKind, QueueSettings]:
        """What is set of each queue."""
        rows = await self._work.fetch(
            "select queue, paused_at, draining_at, changed_by, reason, admission_limit from queues"
        )
        return dict.fromkeys(JobKind, QueueSettings()) | {kind: _settings_of(row) for kind, row in _by_kind(rows)}

    async def set_flow(
        self, kind: JobKind, *, is_paused: bool | None, is_draining: bool | None, by: str, reason: str | None
    ) -> None:
        """Pause or drain the queue, or end it; None leaves it as it is. What it does already keeps its moment."""
        await self._work.run(
            """
            insert into queues as q (queue, paused_at, draining_at, changed_by, reason)
            values ($1, case when $2::bool then now() end, case when $3::bool then now() end, $4, $5)
            on conflict (queue) do update
            set paused_at = case when coalesce($2, q.paused_at is not null) then coalesce(q.paused_at, now()) end,
                draining_at = case when coalesce($3, q.draining_at is not null) then coalesce(q.draining_at, now()) end,
                changed_by = excluded.changed_by, reason = excluded.reason, updated_at = now()
            """,
            QUEUE_OF[kind],
            is_paused,
            is_draining,
            by,
            reason,
        )

    async def set_admission_limit(self, kind: JobKind, limit: int | None) -> None:
        """Set how many jobs may wait in the queue; None is the default."""
        await self._work.run(
            """
            insert into queues (queue, admission_limit) values ($1, $2)
            on conflict (queue) do update set admission_limit = excluded.admission_limit, updated_at = now()
            """,
            QUEUE_OF[kind],
            limit,
        )

    async def measure(
        self, *, now: datetime, count_at_most: Mapping[JobKind, int], slots: Mapping[JobKind, int]
    ) -> dict[JobKind, QueueFigures]:
        """How each queue stands.

        `count_at_most` bounds how many due jobs of a queue are counted. `slots` is how many a worker has for each
        queue, which a worker that answers several does not tell apart.
        """
        figures = {kind: QueueFigures(measured_at=now) for kind in JobKind}
        await self._count_due(figures, count_at_most)
        await self._count_others(figures)
        await self._measure_arrivals(figures)
        await self._measure_ends(figures)
        await self._count_workers(figures, slots)
        return figures

    async def _count_due(self, figures: dict[JobKind, QueueFigures], count_at_most: Mapping[JobKind, int]) -> None:
        rows = await self._work.fetch(
            """
            select n.queue,
                   (select count(*) from (select from jobs where state = 'queued' and queue = n.queue
                                          limit n.most) due) as due,
                   (select min(run_at) from (select run_at, blocked_by from jobs
                                             where state = 'queued' and queue = n.queue
                                             order by run_at limit $3) oldest
                    where blocked_by is null) as oldest_at
            from unnest($1::text[], $2::int8[]) as n (queue, most)
            """,
            list(QUEUE_OF.values()),
            [count_at_most[kind] for kind in QUEUE_OF],
            OLDEST_AMONG,
        )
        blocked = await self._count_blocked(max(count_at_most.values()))
        for kind, row in _by_kind(rows):
            held = blocked.get(kind, {})
            figures[kind] = replace(
                figures[kind],
                waiting=max(row.due - sum(held.values()), 0),
                blocked=held,
                is_estimate=row.due >= count_at_most[kind] or max(held.values(), default=0) >= COUNT_AT_MOST,
                oldest_at=row.oldest_at,
            )

    async def _count_blocked(self, at_most: int) -> dict[JobKind, dict[BlockReason, int]]:
        rows = await self._work.fetch(
            f"""
            select queue, blocked_by, count(*) as n from (
                (select queue, 'paused' as blocked_by from jobs where blocked_by = 'paused' limit $1) union all
                (select queue, blocked_by from jobs where {IS_HELD} limit $2)) blocked
            group by queue, blocked_by
            """,
            at_most,
            COUNT_AT_MOST,
        )
        found: dict[JobKind, dict[BlockReason, int]] = {}
        for kind, row in _by_kind(rows):
            found.setdefault(kind, {})[BlockReason(row.blocked_by)] = row.n
        return found

    async def _count_others(self, figures: dict[JobKind, QueueFigures]) -> None:
        rows = await self._work.fetch(
            """
            select queue, state, count(*) as n from (
                (select queue, state from jobs where state in ('scheduled', 'retrying') limit $1) union all
                (select queue, state from jobs where state = 'running' limit $1)) others
            group by queue, state
            """,
            COUNT_AT_MOST,
        )
        for kind, row in _by_kind(rows):
            is_estimate = figures[kind].is_estimate or row.n >= COUNT_AT_MOST
            figures[kind] = replace(figures[kind], **{row.state: row.n}, is_estimate=is_estimate)

    async def _measure_arrivals(self, figures: dict[JobKind, QueueFigures]) -> None:
        now = figures[JobKind.COLLECT].measured_at
        rows = await self._work.fetch(
            """
            select queue, count(*) as n, sum(count(*)) over () as total, min(min(created_at)) over () as since
            from (select queue, created_at from jobs where job_id >= $1 order by job_id desc limit $2) latest
            group by queue
            """,
            first_id_of(now - timedelta(seconds=RATE_SECONDS)),
            RATE_ROWS,
        )
        for kind, row in _by_kind(rows):
            figures[kind] = replace(figures[kind], arrivals=_flow_of(row, (now - row.since).total_seconds()))

    async def _measure_ends(self, figures: dict[JobKind, QueueFigures]) -> None:
        rows = await self._work.fetch(
            f"""
            select queue, count(*) as n, sum(count(*)) over () as total,
                   extract(epoch from now() - min(min(finished_at)) over ())::float8 as seconds,
                   avg(service) as mean, percentile_cont(0.5) within group (order by service) as p50
            from (select queue, finished_at, extract(epoch from finished_at - started_at)::float8 as service
                  from jobs where state in ({TERMINAL_LIST}) and finished_at > now() - $1::interval
                  order by finished_at desc limit $2) latest
            where service is not null group by queue
            """,
            timedelta(seconds=RATE_SECONDS),
            RATE_ROWS,
        )
        for kind, row in _by_kind(rows):
            figures[kind] = replace(
                figures[kind],
                ends=_flow_of(row, row.seconds),
                service_mean_seconds=row.mean,
                service_p50_seconds=row.p50,
            )

    async def _count_workers(self, figures: dict[JobKind, QueueFigures], slots: Mapping[JobKind, int]) -> None:
        rows = await self._work.fetch(
            """
            select queues, slots from workers
            where state = 'running' and beat_at > now() - lease_seconds * interval '1 s'
            """
        )
        for row in rows:
            for queue in set(row.queues) & set(_KIND_OF):
                kind = _KIND_OF[queue]
                own = row.slots if len(row.queues) == 1 else slots[kind]
                found = figures[kind]
                figures[kind] = replace(found, workers=found.workers + 1, slots=found.slots + own)


def _by_kind(rows: Sequence[Row[Any]]) -> list[tuple[JobKind, Row[Any]]]:
    """The rows of the queues that are kinds of jobs; a drill has one of its own."""
    return [(_KIND_OF[row.queue], row) for row in rows if row.queue in _KIND_OF]


def _settings_of(row: Row[Any]) -> QueueSettings:
    return QueueSettings(
        paused_at=row.paused_at,
        draining_at=row.draining_at,
        changed_by=row.changed_by,
        reason=row.reason,
        admission_limit=row.admission_limit,
    )


def _flow_of(row: Row[Any], seconds: float) -> Flow:
    """The rate over a whole minute, or over the time that as many rows as are looked at reach back."""
    return Flow(row.n, max(seconds, 0.001) if row.total >= RATE_ROWS else RATE_SECONDS)
