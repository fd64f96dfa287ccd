"""Reads what is scheduled and what the workers do."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.domain.fleet.workers import WorkerState
from shared.domain.job.jobs import JobKind
from shared.domain.monitor.schedules import Schedule
from shared.storage.database import UnitOfWork
from shared.storage.job.job_store import QUEUE_OF


@dataclass(frozen=True, slots=True)
class ScheduledGroup:
    """Active monitors of one schedule; a look at one of them took `duration_ms` on average when it was last taken."""

    schedule: Schedule
    monitors: int
    duration_ms: float


@dataclass(frozen=True, slots=True)
class CrewLoad:
    """Workers alive that take rounds, and their sums."""

    workers: int
    checks_per_second: float
    cpu_share: float


class CapacityStore:
    """Reads for capacity within one unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def list_scheduled(self) -> list[ScheduledGroup]:
        """The monitors that are looked at, by their schedules."""
        rows = await self._work.fetch(
            """
            select m.interval_ms, m.cron, m.timezone, count(*) as monitors,
                   coalesce(avg(s.duration_ms), 0)::float8 as duration_ms
            from schedules c join monitors m using (monitor_id) join monitor_states s using (monitor_id)
            where c.due_at is not null group by 1, 2, 3
            """
        )
        return [
            ScheduledGroup(
                Schedule(cron=row.cron, timezone=row.timezone)
                if row.interval_ms is None
                else Schedule(interval=timedelta(milliseconds=row.interval_ms)),
                row.monitors,
                row.duration_ms,
            )
            for row in rows
        ]

    async def read_crew(self) -> CrewLoad:
        """What the workers do that are alive, take rounds and are to go on with it."""
        rows = await self._work.fetch(
            """
            select count(*) as workers, coalesce(sum(checks_per_second), 0) as checks,
                   coalesce(sum(cpu_share), 0) as cpu
            from workers where beat_at > now() - lease_seconds * interval '1 s' and $1 = any(queues) and state = $2
            """,
            QUEUE_OF[JobKind.ROUND],
            WorkerState.RUNNING.value,
        )
        return CrewLoad(rows[0].workers, rows[0].checks, rows[0].cpu)

    async def find_overload(self) -> datetime | None:
        """Since when more has been due than the workers do."""
        rows = await self._work.fetch("select overloaded_since from scheduler")
        return rows[0].overloaded_since if rows else None
