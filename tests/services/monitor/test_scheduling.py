"""What is due becomes rounds, each slot once, however many workers schedule; what was missed is told, and why."""

import asyncio
from collections import Counter
from datetime import timedelta

from schedule_bench import (
    SECOND,
    database_now,
    gaps,
    planned,
    rounds,
    scheduling,
    turn_clock,
    watch,
    work_off,
)

from shared.domain.monitor.rounds import MAX_VISITS
from shared.domain.monitor.scheduling import HORIZON, SHORT_PATIENCE
from shared.services.monitor.scheduling import ScheduleReport
from shared.storage.database import Database


async def test_what_is_due_soon_becomes_a_round(database: Database) -> None:
    """A slot is handed out ahead of its moment, and the monitor is next due at the one after it."""
    now = await database_now(database)
    # As all slots, of whole milliseconds.
    soon = now.replace(microsecond=now.microsecond // 1000 * 1000) + timedelta(milliseconds=400)
    (monitor,) = await watch(database, due_at=soon)
    assert await scheduling(database).run() == 1
    async with database.transaction() as work:
        (job,) = await work.fetch("select state, queue, priority, principal_id, run_at, expires_at from jobs")
        (state,) = await work.fetch("select next_slot, due_at from schedules")
    # The phase decides whether the slot after it is as near.
    slots = list(monitor.schedule.slots(soon, job.run_at + HORIZON))
    assert [visit.slot for visit in await planned(database)] == slots
    assert tuple(job)[:4] == ("queued", "tocsin:round", 9, "schedule")
    assert job.expires_at == max(job.run_at, slots[-1]) + SHORT_PATIENCE
    assert state.next_slot == state.due_at == monitor.schedule.next_after(slots[-1])


async def test_nothing_due_costs_one_statement(database: Database) -> None:
    """And nothing is made; the first turn of a second says that slots are scheduled."""
    await watch(database, due_at=await database_now(database) + timedelta(hours=1))
    assert await scheduling(database).run() == 0
    async with database.transaction() as work:
        ran_at = (await work.fetch("select ran_at from scheduler"))[0][0]
    assert await scheduling(database).run() == 0
    async with database.transaction() as work:
        assert (await work.fetch("select ran_at from scheduler"))[0][0] == ran_at
    assert await planned(database) == []


async def test_four_schedulers_share_five_thousand_monitors_due_in_one_second(database: Database) -> None:
    """No slot is scheduled twice, none is left, and the rounds are full."""
    now = await database_now(database)
    monitors = await watch(database, 5000, due_at=now)
    schedulers = [scheduling(database) for _ in range(4)]
    for _ in range(2):
        await asyncio.gather(*(each.run() for each in schedulers))
    looks = Counter((visit.monitor_id, visit.slot) for visit in await planned(database))
    assert max(looks.values()) == 1
    assert {monitor_id for monitor_id, _ in looks} == {monitor.monitor_id for monitor in monitors}
    sizes = [len(each) for each in await rounds(database)]
    assert max(sizes) <= MAX_VISITS
    assert sum(sizes) / len(sizes) > MAX_VISITS / 2


async def test_slots_that_passed_while_nobody_scheduled_are_late(database: Database) -> None:
    """The newest of them is still run, and the others are told as missed in a row."""
    (monitor,) = await watch(database)
    await turn_clock(database, 100)
    reports: list[ScheduleReport] = []
    await scheduling(database, note=reports.append).run()
    ((monitor_id, first, last, slots, reason),) = await gaps(database)
    assert (monitor_id, reason) == (monitor.monitor_id, "late")
    assert last - first == (slots - 1) * 10 * SECOND
    visits = [visit.slot for visit in await planned(database)]
    assert visits[0] == last + 10 * SECOND
    assert sum(reports[0].missed.values()) == slots
    assert reports[0].overdue_seconds > 80


async def test_rounds_that_wait_too_long_stop_the_schedule_until_they_are_worked_off(database: Database) -> None:
    """Slots pass meanwhile and are missed for the overload; everybody then gets one look, and it is over."""
    await watch(database, 50, due_at=await database_now(database))
    scheduler = scheduling(database)
    await scheduler.run()
    async with database.transaction() as work:
        await work.run(
            """
            insert into jobs (job_id, kind, queue, state, spec, run_at, queued_at, max_attempts, principal_id)
            select gen_random_uuid(), 'round', 'tocsin:round', 'queued', '{"visits": []}', now(),
                   now() - interval '5 s', 3, 'schedule' from generate_series(1, 3)
            """
        )
    before = len(await planned(database))
    await turn_clock(database, 30)
    assert await scheduler.run() == 0
    assert len(await planned(database)) == before
    async with database.transaction() as work:
        assert (await work.fetch("select overloaded_since <= now() as is_over from scheduler"))[0].is_over
    await work_off(database)
    assert await scheduler.run() == 50
    assert {gap[4] for gap in await gaps(database)} == {"overload"}
    looks = Counter(visit.monitor_id for visit in (await planned(database))[before:] if visit.slot)
    assert len(looks) == 50
    await work_off(database)
    async with database.transaction() as work:
        await work.run("update scheduler set ran_at = ran_at - interval '2 s'")
    await scheduler.run()
    async with database.transaction() as work:
        assert (await work.fetch("select overloaded_since from scheduler"))[0].overloaded_since is None


async def test_a_confirmation_is_handed_out_with_the_slots(database: Database) -> None:
    """It is a look of its own and moves no slot."""
    now = await database_now(database)
    (monitor,) = await watch(database, due_at=now + timedelta(minutes=1))
    async with database.transaction() as work:
        await work.run("update schedules set confirm_at = now(), confirmation = 2, due_at = now()")
    await scheduling(database).run()
    (visit,) = await planned(database)
    assert (visit.monitor_id, visit.confirmation, visit.is_regular) == (monitor.monitor_id, 2, False)
    async with database.transaction() as work:
        row = (await work.fetch("select next_slot, due_at, confirm_at from schedules"))[0]
    assert (row.next_slot, row.due_at, row.confirm_at) == (now + timedelta(minutes=1),) * 2 + (None,)


async def test_a_monitor_that_is_being_deleted_is_left_alone(database: Database) -> None:
    """Neither waits for the other, and what the schedule would say of it is not needed any more."""
    (doomed,) = await watch(database)
    await watch(database)
    await turn_clock(database, 100)
    async with database.transaction() as work:
        await work.run("select from monitors where monitor_id = $1 for update", doomed.monitor_id)
        async with asyncio.timeout(20):
            await scheduling(database).run()
        await work.run("delete from monitors where monitor_id = $1", doomed.monitor_id)
    assert doomed.monitor_id not in {visit.monitor_id for visit in await planned(database)}
    assert len(await gaps(database)) == 1


async def test_looks_at_one_host_are_dealt_into_different_rounds(database: Database) -> None:
    """So that a slow host holds up a part of each round, and of none the whole."""
    now = await database_now(database)
    await watch(database, 200, due_at=now)
    slow = {monitor.monitor_id for monitor in await watch(database, 100, due_at=now, host="slow.example")}
    await scheduling(database).run()
    shares = [sum(visit.monitor_id in slow for visit in each) for each in await rounds(database)]
    assert len(shares) in {3, 4}  # Some are due again within the second.
    assert max(shares) - min(shares) <= 1


async def test_a_monitor_that_is_being_changed_is_scheduled_as_it_became(database: Database) -> None:
    """Whoever changes it holds its schedule: it is passed over meanwhile, and never run by a mixture of both."""
    (changed,) = await watch(database, due_at=await database_now(database))
    async with database.transaction() as work:
        await work.run("update monitors set version = 2, interval_ms = 3000 where monitor_id = $1", changed.monitor_id)
        await work.run("update schedules set next_slot = now(), due_at = now()")
        await scheduling(database).run()
        assert await planned(database) == []
    await scheduling(database).run()
    assert {visit.version for visit in await planned(database)} == {2}
    async with database.transaction() as work:
        row = (await work.fetch("select next_slot - now() < interval '5 s' as is_new from schedules"))[0]
    assert row.is_new


async def test_a_paused_monitor_is_not_scheduled(database: Database) -> None:
    """Nor are its slots missed: it has none."""
    await watch(database)
    await turn_clock(database, 100)
    async with database.transaction() as work:
        await work.run("update schedules set next_slot = null, due_at = null")
    assert await scheduling(database).run() == 0
    assert await planned(database) == []
    assert await gaps(database) == []
