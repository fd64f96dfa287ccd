"""Schedules that are due, their advance, and the slots that were missed."""

from collections.abc import Sequence
from datetime import timedelta
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row

from shared.domain.job.jobs import JobKind
from shared.domain.monitor.schedules import Schedule, phase_of
from shared.domain.monitor.scheduling import STRAGGLERS, Anchored, Due, FarSchedule, Flow, Pressure, patience_of
from shared.domain.monitor.slots import DueMonitor, Gap, Plan
from shared.storage.database import UnitOfWork
from shared.storage.job.job_store import QUEUE_OF

_QUEUE = QUEUE_OF[JobKind.ROUND]
_COUNT_AT_MOST = 5000
_MILLISECOND = timedelta(milliseconds=1)
_REMEMBERED_SCHEDULES = 32_768


class Glance(NamedTuple):
    """Whether a monitor is due, and whether nobody has said for a second that slots are scheduled."""

    is_due: bool
    is_stale: bool


class ScheduleStore:
    """Reads and moves schedules within one unit of work. All times are the database's."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def glance(self, *, lead: timedelta, every: timedelta) -> Glance:
        """Look whether there is anything to do; one statement that reads two rows.

        A clock that was set back leaves `ran_at` in the future, which is as good as never.
        """
        rows = await self._work.fetch(
            """
            -- Asked for the least one: no statistics of a column that always moves lead this past its index.
            select coalesce((select min(due_at) from schedules where due_at is not null)
                            < now() + $1::interval, false) as is_due,
                   not exists (select from scheduler
                               where ran_at between now() - $2::interval and now() + $2::interval) as is_stale
            """,
            lead,
            every,
        )
        return Glance(rows[0].is_due, rows[0].is_stale)

    async def read_pressure(self) -> Pressure:
        """How the rounds stand; what a pause of their queue holds back is not counted."""
        rows = await self._work.fetch(
            """
            select now() as now, s.ran_at, s.overloaded_since, w.waiting, w.waited, r.running,
                   now() - (select min(due_at) from schedules where due_at is not null) as overdue
            from (select) one left join scheduler s on true
            cross join (select count(*) as waiting, max(waited) filter (where place = $3) as waited from (
                            select now() - queued_at as waited, row_number() over (order by run_at) as place
                            from jobs where state = 'queued' and queue = $1 and blocked_by is null
                            order by run_at limit $2) first) w
            cross join (select count(*) as running from jobs where state = 'running' and queue = $1) r
            """,
            _QUEUE,
            _COUNT_AT_MOST,
            STRAGGLERS,
        )
        row = rows[0]
        return Pressure(row.now, row.waiting, row.running, row.waited, row.overdue, row.ran_at, row.overloaded_since)

    async def note_run(self, flow: Flow, pressure: Pressure) -> bool:
        """Say that slots are scheduled, and whether there is an overload; whether that was news.

        Of two that found the same news, one tells it: the other finds the row changed since it was read.
        """
        rows = await self._work.fetch(
            """
            insert into scheduler as s (ran_at, overloaded_since) values (now(), $1::timestamptz)
            on conflict (is_only) do update set ran_at = excluded.ran_at, overloaded_since = excluded.overloaded_since
            where s.overloaded_since is not distinct from $2::timestamptz
            returning ran_at
            """,
            flow.overloaded_since,
            pressure.overloaded_since,
        )
        return bool(rows) and flow.overloaded_since != pressure.overloaded_since

    async def claim_due(self, *, horizon: timedelta, limit: int) -> list[Due]:
        """Lock the monitors that are due within the horizon, the longest due first; what others hold is left to them.

        Their configuration is read by a statement after the lock: whoever changes it holds the schedule until both
        are committed, so the one never speaks of the other's past.
        """
        rows = await self._work.fetch(
            """
            select monitor_id, next_slot, confirm_at, confirmation from schedules
            where due_at < now() + $1::interval order by due_at limit $2 for no key update skip locked
            """,
            horizon,
            limit,
        )
        if not rows:
            return []
        monitors = await self._work.fetch(
            """
            select monitor_id, version, interval_ms, cron, timezone,
                   split_part(coalesce(shown->>'url', shown->>'dsn', ''), '/', 3) as site
            from monitors where monitor_id = any($1::uuid[])
            """,
            [row.monitor_id for row in rows],
        )
        configured = {row[0]: row[1:] for row in monitors}
        return [_due_of(row[0], row[1:], configured[row[0]]) for row in rows if row[0] in configured]

    async def hold_present(self, monitor_ids: Sequence[UUID]) -> set[UUID]:
        """Keep monitors from being deleted until the end of this unit of work; those that are being deleted are left.

        What refers to a monitor waits for who deletes it, and that one waits for the schedule we hold.
        """
        rows = await self._work.fetch(
            "select monitor_id from monitors where monitor_id = any($1::uuid[]) for key share skip locked",
            list(monitor_ids),
        )
        return {row.monitor_id for row in rows}

    async def advance(self, plans: Sequence[tuple[UUID, Plan]]) -> None:
        """Move schedules that this unit of work has claimed on to their next slots."""
        await self._work.run(
            """
            update schedules s
            set next_slot = p.next_slot, confirm_at = case when p.is_confirmed then null else s.confirm_at end,
                due_at = least(p.next_slot, case when p.is_confirmed then null else s.confirm_at end)
            from unnest($1::uuid[], $2::timestamptz[], $3::bool[]) as p (monitor_id, next_slot, is_confirmed)
            where s.monitor_id = p.monitor_id
            """,
            [monitor_id for monitor_id, _ in plans],
            [plan.next_slot for _, plan in plans],
            [plan.is_confirmed for _, plan in plans],
        )

    async def add_gaps(self, gaps: Sequence[Gap]) -> None:
        """Write down slots that were not collected; what is known already is left as it is."""
        await self._work.run(
            """
            insert into slot_gaps (monitor_id, first_slot, last_slot, slots, reason)
            select * from unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::int4[], $5::text[])
            on conflict do nothing
            """,
            [gap.monitor_id for gap in gaps],
            [gap.first_slot for gap in gaps],
            [gap.last_slot for gap in gaps],
            [gap.slots for gap in gaps],
            [gap.reason.value for gap in gaps],
        )

    async def list_far(self, *, after: UUID | None, ahead: timedelta, limit: int) -> list[FarSchedule]:
        """Monitors in the order of their ids whose next slot may be further ahead than their schedule has it.

        With an interval that is sure; a cron expression has to be asked.
        """
        rows = await self._work.fetch(
            """
            select s.monitor_id, m.interval_ms, m.cron, m.timezone, s.next_slot, now() as now
            from schedules s join monitors m using (monitor_id)
            where s.next_slot > now() + coalesce(m.interval_ms, 60000) * interval '1 ms' + 2 * $2::interval
              and s.monitor_id > $1 order by s.monitor_id limit $3
            """,
            after or UUID(int=0),
            ahead,
            limit,
        )
        return [FarSchedule(row.monitor_id, schedule_of(row), row.next_slot, row.now) for row in rows]

    async def anchor(self, anchored: Sequence[Anchored]) -> int:
        """Let schedules go on from another slot, unless they moved meanwhile; answer how many did."""
        result = await self._work.run(
            """
            update schedules s set next_slot = a.next_slot, due_at = least(a.next_slot, s.confirm_at)
            from unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[]) as a (monitor_id, before, next_slot)
            where s.monitor_id in (select monitor_id from schedules where monitor_id = any($1::uuid[])
                                   order by monitor_id for no key update skip locked)
              and s.monitor_id = a.monitor_id and s.next_slot = a.before
            """,
            [each.monitor_id for each in anchored],
            [each.before for each in anchored],
            [each.next_slot for each in anchored],
        )
        return result.rowcount


def schedule_of(row: Row[Any]) -> Schedule:
    """The schedule in a row with `monitor_id`, `interval_ms`, `cron` and `timezone`."""
    return _schedule(row.monitor_id, row.interval_ms, row.cron, row.timezone)


@lru_cache(maxsize=_REMEMBERED_SCHEDULES)
def _schedule(monitor_id: UUID, interval_ms: int | None, cron: str | None, timezone: str) -> Schedule:
    if interval_ms is None:
        return Schedule(cron=cron, timezone=timezone)
    interval = interval_ms * _MILLISECOND
    return Schedule(interval=interval, phase=phase_of(monitor_id, interval))


def _due_of(monitor_id: UUID, schedule: Sequence[Any], configured: Sequence[Any]) -> Due:
    """A due monitor from what `claim_due` read; by the columns' places, since names take three times as long."""
    next_slot, confirm_at, confirmation = schedule
    version, interval_ms, cron, timezone, site = configured
    every = _schedule(monitor_id, interval_ms, cron, timezone)
    due = DueMonitor(monitor_id, version, every, next_slot, confirm_at, confirmation)
    return Due(due, site, patience_of(every.interval))
