"""Every slot is on time, late, an error, missed for a reason or pending: coverage equals a count of the schedule."""

import random
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from planting import plant
from rollup_model import set_watermark
from schedule_bench import (
    SECOND,
    Watched,
    database_now,
    make_day,
    record_visits,
    rounds,
    scheduling,
    turn_clock,
    watch,
    work_off,
)

from shared.clock import utc_now
from shared.domain.monitor.coverage import Coverage, CoverageAnswer, CoverageOrder
from shared.domain.monitor.slots import GapReason, Visit
from shared.domain.sample.segments import HOUR, floor_to
from shared.domain.target.outcome import Outcome
from shared.services.monitor.coverage import CoverageService
from shared.services.monitor.round_upkeep import RoundUpkeep
from shared.services.sample.rollups import Rollups
from shared.storage.database import Database
from shared.storage.monitor.coverage_store import CoverageQuestion, Place
from shared.storage.monitor.monitor_filter import MonitorFilter

MINUTE = timedelta(minutes=1)
ALL = CoverageQuestion(MonitorFilter(), None, CoverageOrder.WORST, None, 1000)


async def covered(database: Database, window: timedelta, question: CoverageQuestion = ALL) -> CoverageAnswer:
    answer, _ = await CoverageService(database, clock=utc_now).read(question, window=window)
    return answer


async def test_nothing_is_covered_without_monitors(database: Database) -> None:
    """And no share is told of nothing."""
    answer = await covered(database, HOUR)
    assert (answer.monitors, answer.total.expected, answer.total.collected, answer.items) == (0, 0, None, [])
    assert answer.scheduler.ran_at is None


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_happens_to_rounds_every_slot_is_accounted_for_once(database: Database, seed: int) -> None:
    """Turns that come late, rounds that are worked off, lost in their middle, expired or cancelled, or still wait.

    After each step coverage has as many slots as the schedule had up to now, of each monitor.
    """
    chance = random.Random(seed)
    now = await database_now(database)
    monitors = [*await watch(database, 4, interval=3 * SECOND), *await watch(database, 3, interval=7 * SECOND)]
    scheduler, upkeep = scheduling(database), RoundUpkeep(database)
    first = {monitor.monitor_id: monitor.schedule.next_after(now) for monitor in monitors}
    passed = timedelta(0)
    for _ in range(8):
        step = chance.choice([1, 3, 8, 20]) * 21 * SECOND
        await pass_time(database, step)
        first = {monitor_id: slot - step for monitor_id, slot in first.items()}
        passed += step
        for _ in range(3):
            await scheduler.run()
        await befall(database, chance)
        await upkeep.settle()
        await assert_accounted_for(database, monitors, first, window=passed + MINUTE)


async def pass_time(database: Database, step: timedelta) -> None:
    """Let everything that is written down lie further back; the steps are multiples of all intervals."""
    await turn_clock(database, step.total_seconds())
    await move(database, "sample", "ts - $1::interval, value, series_id, outcome, extras", step)
    await move(
        database, "slot_gaps", "monitor_id, first_slot - $1::interval, reason, last_slot - $1::interval, slots", step
    )
    await plant(
        database,
        """
        update jobs set spec = jsonb_build_object('visits', (
            select jsonb_agg(jsonb_set(v, '{2}', to_jsonb((v->>2)::int8 - $1::int8)))
            from jsonb_array_elements(spec->'visits') v))
        """,
        step // timedelta(milliseconds=1),
    )


async def move(database: Database, table: str, columns: str, step: timedelta) -> None:
    """Write all rows of a table anew; moved in place, one would stand for a moment where another still is."""
    async with database.transaction() as work:
        day = (await work.fetch("select current_date"))[0][0]
        await make_day(work, day - timedelta(days=1))
        await work.run(f"create temporary table moved on commit drop as select * from {table}")
        await work.run(f"delete from {table}")
        await work.run(f"insert into {table} select {columns} from moved", step)


async def befall(database: Database, chance: random.Random) -> None:
    """Let something happen to the rounds that wait."""
    match chance.choice(["worked off", "lost", "expired", "cancelled", "waits"]):
        case "worked off":
            await work_off(database, lag_ms=chance.choice([5.0, 2000.0]))
        case "lost":
            visits = [visit for each in await rounds(database) for visit in each]
            await record_visits(database, chance.sample(visits, len(visits) // 2))
            await end_rounds(database, "failed")
        case "waits":
            pass
        case state:
            await end_rounds(database, state)


async def end_rounds(database: Database, state: str) -> None:
    await plant(database, "update jobs set state = $1, finished_at = now() where state = 'queued'", state)


async def assert_accounted_for(
    database: Database, monitors: list[Watched], first: dict[object, datetime], *, window: timedelta
) -> None:
    answer = await covered(database, window)
    found = {item.monitor_id: item.coverage.expected for item in answer.items}
    expected = {
        monitor.monitor_id: monitor.schedule.span(first[monitor.monitor_id], answer.end)[0] for monitor in monitors
    }
    # A slot that comes in this very moment is seen by the one clock and not by the other.
    assert all(abs(found[key] - expected[key]) <= 1 for key in expected)
    assert answer.total.expected == sum(found.values())


async def test_hours_and_their_rest_are_one_sum(database: Database) -> None:
    """A long window is read from roll-ups and the samples behind them, and begins with a whole hour."""
    (monitor,) = await watch(database, interval=10 * MINUTE)
    now = await database_now(database)
    start = floor_to(now, HOUR) - 5 * HOUR
    await set_watermark(database, start)
    slots = list(monitor.schedule.slots(monitor.schedule.next_after(start), now))
    kinds = [("on_time", 5.0, Outcome.UP), ("late", 1500.0, Outcome.DOWN), ("error", 5.0, Outcome.ERROR)]
    expected: Counter[str] = Counter()
    for number, slot in enumerate(slots):
        name, lag_ms, outcome = kinds[number % 3]
        expected[name] += 1
        await record_visits(database, [Visit(monitor.monitor_id, 1, slot)], lag_ms=lag_ms, outcome=outcome)
    async with database.transaction() as work:
        await work.run(
            "insert into series_current (series_id, ts, outcome, since) values ($1, $2, 0, $2)",
            monitor.series_id,
            slots[-1],
        )
    await Rollups(database).advance(now)
    answer = await covered(database, now - start - MINUTE)
    assert answer.start == start
    total = answer.total
    assert (total.on_time, total.late, total.error) == (expected["on_time"], expected["late"], expected["error"])
    assert total.collected == (total.on_time + total.late) / total.expected


async def test_an_hour_that_is_computed_anew_is_told_anew(database: Database) -> None:
    """Hours are remembered between questions, of one monitor and of all, until a late sample changes one of them."""
    (monitor,) = await watch(database, interval=10 * MINUTE)
    now = await database_now(database)
    start = floor_to(now, HOUR) - 5 * HOUR
    await set_watermark(database, start + 4 * HOUR)
    slots = list(monitor.schedule.slots(start + HOUR, start + 2 * HOUR))
    service, rollups = CoverageService(database, clock=utc_now), Rollups(database)
    collected = []
    for slot in slots[:3]:
        await record_visits(database, [Visit(monitor.monitor_id, 1, slot)])
        marked = "insert into rollup_dirty (series_id, bucket) values ($1, $2)"
        await plant(database, marked, monitor.series_id, floor_to(slot, HOUR))
        await rollups.advance(now)
        for question in (ALL, replace(ALL, monitor_id=monitor.monitor_id)):
            answer, _ = await service.read(question, window=now - start)
            collected.append(answer.total.on_time)
    assert collected == [1, 1, 2, 2, 3, 3]


async def test_gaps_are_cut_where_the_window_is(database: Database) -> None:
    """Of those that began before it the rest counts; a paused slot was not asked for."""
    (monitor,) = await watch(database, interval=MINUTE)
    now = await database_now(database)
    last = monitor.schedule.next_after(now - 11 * MINUTE)
    gaps = [
        (last - 59 * MINUTE, last, 60, GapReason.LATE),
        (last + MINUTE, last + MINUTE, 1, GapReason.PAUSED),
    ]
    async with database.transaction() as work:
        for first_slot, last_slot, slots, reason in gaps:
            await work.run(
                "insert into slot_gaps (monitor_id, first_slot, last_slot, slots, reason) values ($1, $2, $3, $4, $5)",
                monitor.monitor_id,
                first_slot,
                last_slot,
                slots,
                reason.value,
            )
    answer = await covered(database, 30 * MINUTE)
    total = answer.total
    assert total.missed[GapReason.LATE] == (last - answer.start) // MINUTE + 1
    assert total.missed[GapReason.PAUSED] == 1
    assert total.collected == 0.0


async def test_the_worst_come_first_and_pages_do_not_overlap(database: Database) -> None:
    """By share, then by id; by name they come in the order of names."""
    monitors = await watch(database, 5, interval=HOUR)
    now = await database_now(database)
    for number, monitor in enumerate(monitors):
        slots = [now - MINUTE - index * SECOND for index in range(4)]
        visits = [Visit(monitor.monitor_id, 1, slot) for slot in slots]
        await record_visits(database, visits[:number])
        await record_visits(database, visits[number:], outcome=Outcome.ERROR)
    for order in CoverageOrder:
        pages: list[object] = []
        after: Place | None = None
        while True:
            question = CoverageQuestion(MonitorFilter(), None, order, after, 2)
            answer, places = await CoverageService(database, clock=utc_now).read(question, window=HOUR)
            assert answer.total.expected == 20
            if not places:
                break
            pages += [item.monitor_id for item in answer.items]
            after = places[-1]
        by_name = sorted((monitor.monitor_id for monitor in monitors), key=str)
        assert pages == (by_name if order is CoverageOrder.NAME else [monitor.monitor_id for monitor in monitors])


def test_shares_leave_out_what_nobody_asked_for() -> None:
    """Paused slots and those that are under way."""
    coverage = Coverage(on_time=6, late=2, error=1, pending=3, missed={GapReason.PAUSED: 4, GapReason.LATE: 1})
    assert (coverage.expected, coverage.collected) == (17, 0.8)
