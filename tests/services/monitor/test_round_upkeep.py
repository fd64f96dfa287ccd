"""Rounds that were not worked off are told as missed, those that ended are forgotten, schedules follow the clock."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from planting import plant
from schedule_bench import (
    SECOND,
    Watched,
    database_now,
    gaps,
    planned,
    record_visits,
    rounds,
    scheduling,
    turn_clock,
    watch,
    work_off,
)

from shared.domain.monitor.rounds import encode_round
from shared.domain.monitor.schedules import Schedule
from shared.domain.monitor.slots import Visit
from shared.services.monitor.round_upkeep import RoundUpkeep
from shared.storage.advisory_locks import SAMPLE_WRITERS
from shared.storage.database import Database

BERLIN = ZoneInfo("Europe/Berlin")
ENDED = """
    update jobs set state = $1, finished_at = now(), attempt = $2, blocked_ms = $3,
                    expires_at = now() - $4::interval
    where kind = 'round'
"""


async def due_round(database: Database, count: int = 2) -> list[Watched]:
    """Monitors whose slots have become a round that waits."""
    monitors = await watch(database, count, interval=timedelta(hours=1), due_at=await database_now(database))
    assert await scheduling(database).run() == count
    return monitors


@pytest.mark.parametrize(
    ("state", "attempts", "blocked_ms", "past_deadline", "reason"),
    [
        ("failed", 3, 0.0, -60, "worker_lost"),
        ("expired", 0, 0.0, 1, "overload"),
        ("expired", 1, 0.0, 1, "worker_lost"),
        ("expired", 0, 0.0, 3600, "late"),
        ("expired", 0, 800.0, 1, "paused"),
        ("cancelled", 0, 0.0, -60, "paused"),
    ],
)
async def test_slots_of_a_round_that_was_not_worked_off_are_missed_for_a_reason(
    database: Database, state: str, attempts: int, blocked_ms: float, past_deadline: int, reason: str
) -> None:
    """Once, however often and by however many it is settled."""
    monitors = await due_round(database)
    await plant(database, ENDED, state, attempts, blocked_ms, past_deadline * SECOND)
    upkeep = RoundUpkeep(database)
    assert sum(await asyncio.gather(*(upkeep.settle() for _ in range(3)))) == 1
    assert await upkeep.settle() == 0
    found = await gaps(database)
    assert {gap[0] for gap in found} == {monitor.monitor_id for monitor in monitors}
    assert {(gap[3], gap[4]) for gap in found} == {(1, reason)}


async def test_only_slots_without_a_sample_are_missed(database: Database) -> None:
    """A round whose worker was lost in its middle has recorded some of them."""
    await due_round(database, 3)
    visits = await planned(database)
    await record_visits(database, visits[:2])
    await plant(database, ENDED, "failed", 3, 0.0, -60 * SECOND)
    await RoundUpkeep(database).settle()
    assert [gap[:2] for gap in await gaps(database)] == [(visits[2].monitor_id, visits[2].slot)]


async def test_what_a_worker_is_just_writing_is_not_missed(database: Database) -> None:
    """Its lease was good when it began, and the round had failed before it was through."""
    await due_round(database, 1)
    (visit,) = await planned(database)
    async with asyncio.timeout(60), database.engine.connect() as connection:
        writing = await connection.begin()
        await connection.exec_driver_sql("select pg_advisory_xact_lock_shared($1)", (SAMPLE_WRITERS,))
        await plant(database, ENDED, "failed", 3, 0.0, -60 * SECOND)
        settling = asyncio.create_task(RoundUpkeep(database).settle())
        waiting = "select 1 from pg_stat_activity where wait_event = 'advisory' and datname = current_database()"
        while not (await connection.exec_driver_sql(waiting)).all():
            continue
        await connection.exec_driver_sql(
            "insert into sample (ts, series_id, outcome) select $1, series_id, 0 from monitors where monitor_id = $2",
            (visit.slot, visit.monitor_id),
        )
        await writing.commit()
        assert await settling == 1
    assert await gaps(database) == []


async def test_confirmations_manual_looks_and_deleted_monitors_leave_no_gap(database: Database) -> None:
    """They are no slots of a schedule, or nobody's any more."""
    (monitor,) = await due_round(database, 1)
    now = await database_now(database)
    visits = [
        Visit(monitor.monitor_id, 1, now, confirmation=1),
        Visit(monitor.monitor_id, 1, now, is_manual=True),
        Visit(UUID(int=5), 1, now),
    ]
    await plant(database, "update jobs set spec = $1::text::jsonb", encode_round(visits))
    await plant(database, ENDED, "failed", 3, 0.0, -60 * SECOND)
    assert await RoundUpkeep(database).settle() == 1
    assert await gaps(database) == []


async def test_rounds_are_forgotten_soon_and_those_that_went_wrong_later(database: Database) -> None:
    """Not before they are settled; other jobs are left alone."""
    await due_round(database)
    await work_off(database)
    upkeep = RoundUpkeep(database)
    assert await upkeep.forget() == 0
    await plant(database, "update jobs set finished_at = now() - interval '11 min'")
    assert await upkeep.forget() == 1
    await due_round(database)
    await plant(database, "update jobs set state = 'failed', finished_at = now() - interval '25 h'")
    assert await upkeep.forget() == 0
    await upkeep.settle()
    assert await upkeep.forget() == 1
    await due_round(database)
    await work_off(database)
    await plant(database, "update jobs set kind = 'collect', finished_at = now() - interval '2 d'")
    assert await upkeep.forget() == 0


async def test_missed_slots_are_told_of_for_more_than_a_year(database: Database) -> None:
    """Then they are forgotten."""
    (monitor,) = await watch(database)
    async with database.transaction() as work:
        await work.run(
            """
            insert into slot_gaps (monitor_id, first_slot, last_slot, slots, reason)
            select $1, now() - days * interval '1 d', now() - days * interval '1 d', 1, 'late'
            from unnest(array[399, 401]) d (days)
            """,
            monitor.monitor_id,
        )
    assert await RoundUpkeep(database).forget_gaps() == 1
    assert len(await gaps(database)) == 1


async def test_after_a_clock_was_set_back_schedules_go_on_from_now(database: Database) -> None:
    """Only those that are further ahead than their schedule can be."""
    (by_interval,) = await watch(database)
    (by_cron,) = await watch(database, cron="*/5 * * * *")
    (yearly,) = await watch(database, cron="0 0 1 1 *")
    before = await next_slots(database)
    await RoundUpkeep(database).anchor()
    assert await next_slots(database) == before
    await turn_clock(database, -7200)
    await RoundUpkeep(database).anchor()
    after = await next_slots(database)
    now = await database_now(database)
    assert now < after[by_interval.monitor_id] <= now + 10 * SECOND
    assert now < after[by_cron.monitor_id] <= now + timedelta(minutes=5)
    assert after[yearly.monitor_id] == yearly.schedule.next_after(now)


async def next_slots(database: Database) -> dict[UUID, datetime]:
    """What each monitor is next due at."""
    async with database.transaction() as work:
        rows = await work.fetch("select monitor_id, next_slot from schedules where due_at = next_slot")
    return {row.monitor_id: row.next_slot for row in rows}


@pytest.mark.parametrize(
    ("cron", "day", "local_hours"),
    [
        ("30 * * * *", datetime(2026, 3, 29, tzinfo=BERLIN), 23),
        ("30 * * * *", datetime(2025, 10, 26, tzinfo=BERLIN), 25),
        ("30 2 * * *", datetime(2026, 3, 29, tzinfo=BERLIN), 1),
        ("30 2 * * *", datetime(2025, 10, 26, tzinfo=BERLIN), 1),
    ],
)
async def test_a_cron_schedule_goes_through_a_change_of_the_clocks(
    database: Database, cron: str, day: datetime, local_hours: int
) -> None:
    """An hour that is left out or comes twice: every slot of the days round it is told, none twice and none skipped."""
    schedule = Schedule(cron=cron, timezone="Europe/Berlin")
    first = schedule.next_after(day)
    await watch(database, cron=cron, timezone="Europe/Berlin", due_at=first)
    scheduler = scheduling(database)
    while await scheduler.run():
        pass
    found = await gaps(database)
    gap_first, gap_last = found[0][1], found[-1][2]
    assert gap_first == first
    told = list(schedule.slots(gap_first, gap_last))
    assert len(told) == sum(gap[3] for gap in found)
    assert sum(slot < (day + timedelta(days=1)).astimezone(UTC) for slot in told) == local_hours
    assert [visit.slot for each in await rounds(database) for visit in each] == [schedule.next_after(gap_last)]
