"""Monitors with schedules, and a consumer that works rounds off without looking at anything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from uuid import UUID, uuid4

from shared.domain.job.jobs import Ring
from shared.domain.monitor.rounds import decode_round
from shared.domain.monitor.schedules import Schedule, phase_of
from shared.domain.monitor.slots import Visit
from shared.domain.target.outcome import Outcome
from shared.services.job.announcer import Announcer
from shared.services.monitor.scheduling import NoteSchedule, Scheduling, note_nothing
from shared.storage.database import Database, UnitOfWork

SECOND = timedelta(seconds=1)
_LAG_PLACE = 11
"""Where an http sample keeps `lag_ms`."""


@dataclass(frozen=True)
class Watched:
    """A monitor that was made, and its schedule."""

    monitor_id: UUID
    series_id: int
    schedule: Schedule


class Silence(Announcer):
    """Rings nobody: what is to be told is kept."""

    def __init__(self) -> None:
        self.rings: list[Ring] = []

    def announce(self, _changes: object, rings: Sequence[Ring] = ()) -> None:
        self.rings += rings


def scheduling(database: Database, *, note: NoteSchedule = note_nothing) -> Scheduling:
    """The schedule, without a Valkey."""
    return Scheduling(database, Silence(), note=note)


async def database_now(database: Database) -> datetime:
    """The database's clock."""
    async with database.transaction() as work:
        moment: datetime = (await work.fetch("select now()"))[0][0]
    return moment


async def watch(
    database: Database,
    count: int = 1,
    *,
    interval: timedelta = 10 * SECOND,
    cron: str | None = None,
    timezone: str = "UTC",
    due_at: datetime | None = None,
    host: str = "shop.example",
) -> list[Watched]:
    """Make monitors; `due_at` is their next slot whatever their phase, else the first after now."""
    like = Schedule(cron=cron, timezone=timezone) if cron else Schedule(interval=interval)
    schedules = {monitor_id: _own(like, monitor_id) for monitor_id in (uuid4() for _ in range(count))}
    now = await database_now(database)
    slots = {monitor_id: due_at or schedule.next_after(now) for monitor_id, schedule in schedules.items()}
    series = await _insert(database, slots, like=like, url=f"https://{host}/")
    return [Watched(monitor_id, series[monitor_id], schedule) for monitor_id, schedule in schedules.items()]


def _own(like: Schedule, monitor_id: UUID) -> Schedule:
    """The schedule of one of several monitors that are made alike: each has a phase of its own."""
    return like if like.interval is None else replace(like, phase=phase_of(monitor_id, like.interval))


async def _insert(database: Database, slots: Mapping[UUID, datetime], *, like: Schedule, url: str) -> dict[UUID, int]:
    """Write monitors whose next slots are those; answers the series of each."""
    async with database.transaction() as work:
        rows = await work.fetch(
            """
            with made as (
                insert into series (identity, kind, name, monitor_id)
                select sha256('monitor:'::bytea || uuid_send(id)), 'http', id::text, id from unnest($1::uuid[]) m (id)
                returning series_id, monitor_id
            ), monitored as (
                insert into monitors (monitor_id, group_name, name, kind, target, shown, interval_ms, cron, timezone,
                                      confirmations, confirm_ms, series_id, created_by)
                select monitor_id, '', monitor_id::text, 'http', '{}', jsonb_build_object('url', $2::text), $3, $4, $5,
                       1, 5000, series_id, 'tests' from made returning monitor_id, series_id
            ), stated as (
                insert into monitor_states (monitor_id, since, state) select monitor_id, now(), 4 from monitored
            ), scheduled as (
                insert into schedules (monitor_id, next_slot, due_at)
                select id, slot, slot from unnest($1::uuid[], $6::timestamptz[]) s (id, slot) join monitored
                on monitored.monitor_id = id
            )
            select monitor_id, series_id from monitored
            """,
            list(slots),
            url,
            like.interval and like.interval // timedelta(milliseconds=1),
            like.cron,
            like.timezone,
            list(slots.values()),
        )
    return {row.monitor_id: row.series_id for row in rows}


async def turn_clock(database: Database, seconds: float) -> None:
    """Let so much time pass for all schedules: everything they know of lies further back."""
    async with database.transaction() as work:
        await work.run(
            "update schedules set next_slot = next_slot - $1::interval, due_at = due_at - $1::interval",
            timedelta(seconds=seconds),
        )


async def rounds(database: Database, state: str = "queued") -> list[list[Visit]]:
    """The looks of the rounds in that state, the oldest first."""
    async with database.transaction() as work:
        rows = await work.fetch(
            "select spec::text as spec from jobs where kind = 'round' and state = $1 order by run_at, job_id", state
        )
    return [decode_round(row.spec) for row in rows]


async def planned(database: Database) -> list[Visit]:
    """All looks that rounds have been made for."""
    async with database.transaction() as work:
        rows = await work.fetch("select spec::text as spec from jobs where kind = 'round' order by run_at, job_id")
    return [visit for row in rows for visit in decode_round(row.spec)]


async def gaps(database: Database) -> list[tuple[UUID, datetime, datetime, int, str]]:
    """The slots that were missed."""
    async with database.transaction() as work:
        rows = await work.fetch(
            "select monitor_id, first_slot, last_slot, slots, reason from slot_gaps order by first_slot, monitor_id"
        )
    return [tuple(row) for row in rows]


async def work_off(database: Database, *, limit: int = 10_000, lag_ms: float = 5.0) -> int:
    """Work off rounds that wait: a sample of each regular look, then the round's end; answers how many."""
    async with database.transaction() as work:
        rows = await work.fetch(
            """
            update jobs set state = 'running', lease_token = gen_random_uuid(), lease_owner = 'tests', attempt = 1,
                            lease_expires_at = now() + interval '1 min', started_at = now()
            where job_id in (select job_id from jobs where kind = 'round' and state = 'queued' order by run_at, job_id
                             limit $1 for update skip locked)
            returning job_id, spec::text as spec
            """,
            limit,
        )
        visits = [visit for row in rows for visit in decode_round(row.spec) if visit.is_regular]
        await record_visits(database, visits, lag_ms=lag_ms)
        await work.run(
            """
            update jobs set state = 'succeeded', lease_token = null, lease_owner = null, lease_expires_at = null,
                            finished_at = now() where job_id = any($1::uuid[])
            """,
            [row.job_id for row in rows],
        )
    return len(rows)


async def make_day(work: UnitOfWork, day: date) -> None:
    """Make the partition of a day's samples, if it is not there."""
    await work.run(
        f"create table if not exists sample_{day:%Y%m%d} partition of sample"
        f" for values from ('{day}') to ('{day + timedelta(days=1)}')"
    )


async def record_visits(
    database: Database, visits: Sequence[Visit], *, lag_ms: float = 5.0, outcome: Outcome = Outcome.UP
) -> None:
    """Write the sample of each look at its slot, the day's partitions made before."""
    async with database.transaction() as work:
        for day in {visit.slot.date() for visit in visits}:
            await make_day(work, day)
        await work.run(
            """
            insert into sample (ts, value, series_id, outcome, extras)
            select slot, 12.5, series_id, $4, array_fill(null::float8, array[$5::int4 - 1]) || $3::float8
            from unnest($1::uuid[], $2::timestamptz[]) v (monitor_id, slot) join monitors using (monitor_id)
            on conflict do nothing
            """,
            [visit.monitor_id for visit in visits],
            [visit.slot for visit in visits],
            lag_ms,
            outcome.code,
            _LAG_PLACE,
        )
