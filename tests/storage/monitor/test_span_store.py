from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID

import pytest
from monitor_data import MonitorData, monitor_id_of, plant_monitors

from shared.domain.monitor.standing import MonitorState, StateChange, patience_of
from shared.domain.monitor.uptime import Knowledge, Uptime, Window, uptime
from shared.storage.database import Database
from shared.storage.monitor.span_store import SpanStore

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
STARTS = [NOW - timedelta(seconds=seconds) for seconds in (1, 60, 300, 1000, 10_000)]
STATES = list(MonitorState)


def random_monitor(random: Random, number: int) -> MonitorData:
    """Any states in any order over a quarter of an hour, at any microsecond, known until any moment."""
    moments = sorted(random.sample(range(900 * 10**6), random.randint(1, 12)))
    states = [random.choice(STATES) for _ in moments]
    # A change to the state there is already is written only where one before it is corrected.
    while states[-2:-1] == states[-1:]:
        del states[-1]
    made = NOW - timedelta(seconds=random.choice([900, 901, 5000]))
    first = NOW - timedelta(seconds=900)
    return MonitorData(
        monitor_id_of(number),
        [StateChange(first + timedelta(microseconds=at), state) for at, state in zip(moments, states, strict=False)],
        created_at=made,
        covered_until=random.choice([None, NOW + random.uniform(-400, 60) * SECOND]),
        interval=random.choice([None, SECOND, 60 * SECOND, 100 * SECOND]),
    )


@pytest.mark.parametrize("is_of_all", [False, True])
async def test_sums_in_sql_equal_the_pure_function(database: Database, is_of_all: bool) -> None:  # noqa: FBT001
    """To the microsecond, for random timelines and all windows at once; read one by one and all together."""
    random = Random(20261121)
    monitors = [random_monitor(random, number) for number in range(400)]
    await plant_monitors(database, monitors)
    async with database.transaction() as work:
        found = await SpanStore(work).sum_up(
            None if is_of_all else [each.monitor_id for each in monitors], STARTS, now=NOW
        )
    for each in monitors:
        knowledge = Knowledge(each.covered_until, patience_of(each.interval))
        assert each.created_at is not None
        assert list(found[each.monitor_id]) == [
            uptime(each.changes, Window(start, NOW), now=NOW, knowledge=knowledge, created_at=each.created_at)
            for start in STARTS
        ]


@pytest.mark.parametrize("is_of_all", [False, True])
async def test_a_change_ahead_of_the_clock_takes_no_time_yet(database: Database, is_of_all: bool) -> None:  # noqa: FBT001
    """The database's clock may be ahead of the one that asks: no state lasts less than nothing."""
    changes = [StateChange(NOW - 9 * SECOND, MonitorState.UP), StateChange(NOW + 2 * SECOND, MonitorState.DOWN)]
    until = NOW + 60 * SECOND
    ahead = MonitorData(monitor_id_of(1), changes, created_at=changes[0].at, covered_until=until, interval=60 * SECOND)
    await plant_monitors(database, [ahead])
    async with database.transaction() as work:
        ids = None if is_of_all else [ahead.monitor_id]
        ((found,),) = (await SpanStore(work).sum_up(ids, STARTS[1:2], now=NOW)).values()
    assert found == Uptime(up_seconds=9.0)


async def add_span(database: Database, monitor_id: UUID, *changes: tuple[int, MonitorState]) -> None:
    """As whoever writes timelines does: at so many seconds after `NOW`, in this order."""
    async with database.transaction() as work:
        await work.run(
            """
            insert into state_spans (monitor_id, started_at, state)
            select $1, * from unnest($2::timestamptz[], $3::int2[])
            on conflict (monitor_id, started_at) do update set state = excluded.state
            """,
            monitor_id,
            [NOW + second * SECOND for second, _ in changes],
            [state.code for _, state in changes],
        )


async def chain_of(database: Database, monitor_id: UUID) -> list[tuple[int | None, int]]:
    async with database.transaction() as work:
        rows = await work.fetch(
            "select previous_state, state from state_spans where monitor_id = $1 order by started_at", monitor_id
        )
    return [(row.previous_state, row.state) for row in rows]


async def test_each_span_knows_the_state_before_it_however_it_is_written(database: Database) -> None:
    """In order, late, corrected, and several at once in any order."""
    up, down, degraded = MonitorState.UP, MonitorState.DOWN, MonitorState.DEGRADED
    monitor, other = monitor_id_of(1), monitor_id_of(2)
    await plant_monitors(database, [MonitorData(each, [StateChange(NOW, up)]) for each in (monitor, other)])
    await add_span(database, monitor, (10, down), (20, up))
    await add_span(database, monitor, (15, degraded))
    await add_span(database, monitor, (10, MonitorState.NO_DATA), (40, down), (30, degraded))
    assert await chain_of(database, monitor) == [(None, 0), (0, 3), (3, 1), (1, 0), (0, 1), (1, 2)]
    assert await chain_of(database, other) == [(None, 0)]
