"""Monitors are changed while they are looked at and pinged: nobody waits in a circle, and nothing is told wrong."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from monitor_site import Site, spec
from quiet_alerting import quiet_alerting
from sqlalchemy.exc import DBAPIError
from uuid_utils.compat import uuid7

from shared.domain.change_results import Changed
from shared.domain.heartbeat.ping_delivery import Delivery, Door, PingAddress, PingAnswer
from shared.domain.heartbeat.pings import PingKind
from shared.domain.monitor.monitor_changes import CreateMonitor, MonitorChange, PatchMonitor, PauseMonitor
from shared.domain.monitor.slots import Gap, GapReason
from shared.domain.monitor.standing import MonitorState, Standing, StateChange
from shared.services.heartbeat.heartbeats import Heartbeats
from shared.storage.database import Database
from shared.storage.monitor.monitor_state_store import MonitorStateStore
from shared.storage.monitor.schedule_store import ScheduleStore

SECOND = timedelta(seconds=1)
PATIENCE_SECONDS = 60
WAITING = """
    select count(*) as n from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()
"""


@pytest.fixture
def site(database: Database) -> Site:
    """A site without monitors."""
    return Site(database)


async def now_of(site: Site) -> datetime:
    (row,) = await site.rows("select clock_timestamp() as now")
    now: datetime = row.now
    return now


async def until_waiting(site: Site, count: int) -> None:
    """Look until so many statements wait for a lock; the caller bounds it."""
    while (await site.rows(WAITING))[0].n < count:
        continue


@asynccontextmanager
async def halted(site: Site, *changes: MonitorChange) -> AsyncIterator["asyncio.Task[Any]"]:
    """The changes under way, all written but not committed before the end of the block: they wait for a name."""
    taken = """
        insert into monitors (monitor_id, group_name, name, kind, target, shown, interval_ms, confirmations, confirm_ms,
                              series_id, created_by)
        values ($1, '', 'taken', 'file', '{}', '{}', 1000, 0, 1000, 999999, 'tests')
    """
    async with site.database.engine.connect() as connection:
        transaction = await connection.begin()
        await connection.exec_driver_sql(taken, (uuid4(),))
        changing = asyncio.create_task(site.change(*changes, CreateMonitor(uuid7(), spec("taken"))))
        await until_waiting(site, 1)
        yield changing
        await transaction.rollback()


async def stand_up(site: Site, monitor_id: UUID, *, covered_until: datetime) -> datetime:
    """Let the monitor be up since it was made, and known to be until then."""
    (made,) = await site.rows(
        "select since + interval '1 ms' as at from monitor_states where monitor_id = $1", monitor_id
    )
    await site.stand(monitor_id, Standing(MonitorState.UP, made.at, covered_until=covered_until, last_at=made.at))
    since: datetime = made.at
    return since


async def test_slots_of_a_pause_are_told_once_though_rounds_were_under_way(site: Site) -> None:
    """A round that had the first of them in hand has told that one by itself."""
    (monitor_id,) = await site.make("shop", interval="1s")
    await site.change(PauseMonitor(monitor_id, is_paused=True))
    await site.rows("update monitors set paused_at = paused_at - interval '1 hour' returning 1")
    (kept,) = await site.rows("select paused_at from monitors")
    schedule = spec("shop", interval="1s").schedule_of(monitor_id)
    first = schedule.next_after(kept.paused_at)
    async with site.database.transaction() as work:
        in_hand = [Gap(monitor_id, at, at, 1, GapReason.PAUSED) for at in (first, first + SECOND)]
        await ScheduleStore(work).add_gaps(in_hand)
    await site.change(PauseMonitor(monitor_id, is_paused=False))
    (gap,) = await site.rows("select first_slot, slots from slot_gaps")
    assert gap.first_slot == first
    assert gap.slots in {3600, 3601}


async def test_a_pause_does_not_vouch_for_the_time_nobody_looked(site: Site) -> None:
    """No worker ran for an hour before it: what was known had ended where the last look's knowledge did."""
    (monitor_id,) = await site.make("shop")
    await site.rows("update monitor_states set since = since - interval '2 hours' returning 1")
    ended = await now_of(site) - timedelta(hours=1)
    since = await stand_up(site, monitor_id, covered_until=ended)
    await site.change(PauseMonitor(monitor_id, is_paused=True))
    spans = await site.rows("select state, started_at from state_spans where state <> 4 order by started_at")
    told = [(span.state, span.started_at) for span in spans]
    assert told[:2] == [(MonitorState.UP.code, since), (MonitorState.NO_DATA.code, ended)]
    assert [state for state, _ in told[2:]] == [MonitorState.PAUSED.code]


async def test_another_interval_is_no_missed_slot(site: Site) -> None:
    """What is known holds until the new schedule's first slot, however far that is."""
    (monitor_id,) = await site.make("shop", interval="10s")
    await stand_up(site, monitor_id, covered_until=await now_of(site) + 5 * SECOND)
    assert await site.change(PatchMonitor(monitor_id, {"interval": "6h"})) == [Changed(monitor_id)]
    (row,) = await site.rows("select covered_until, next_slot from monitor_states join schedules using (monitor_id)")
    assert row.covered_until == row.next_slot


async def test_a_monitor_is_renamed_and_rescheduled_while_its_state_is_written(site: Site) -> None:
    """Whoever writes the state refers to the monitor first, and asks for a confirmation then."""
    (monitor_id,) = await site.make("shop")
    async with asyncio.timeout(PATIENCE_SECONDS):
        async with site.database.transaction() as work:
            store = MonitorStateStore(work)
            locked = (await store.lock([monitor_id]))[monitor_id]
            await store.add_spans([(monitor_id, StateChange(locked.standing.since + SECOND, MonitorState.UP))])
            changing = asyncio.create_task(site.change(PatchMonitor(monitor_id, {"name": "store", "interval": "30s"})))
            await until_waiting(site, 1)
            await work.fetch("select 1 from schedules where monitor_id = $1 for no key update", monitor_id)
        assert await changing == [Changed(monitor_id)]


async def test_a_missed_slot_is_not_forgotten_over_a_new_name(site: Site) -> None:
    """Who writes it down is told to come again, and does not take the monitor for a deleted one."""
    (monitor_id,) = await site.make("shop")
    async with asyncio.timeout(PATIENCE_SECONDS):
        async with halted(site, PatchMonitor(monitor_id, {"name": "store"})) as changing:
            with pytest.raises(DBAPIError, match="could not obtain lock"):
                async with site.database.transaction() as work:
                    await MonitorStateStore(work).hold([monitor_id])
        assert (await changing)[0] == Changed(monitor_id)
    async with site.database.transaction() as work:
        assert await MonitorStateStore(work).hold([monitor_id, uuid4()]) == {monitor_id}


async def test_a_ping_waits_by_the_schedule_that_is_just_written(site: Site) -> None:
    """Else the silence that was allowed would be taken for a missing ping."""
    heartbeat = CreateMonitor(uuid7(), spec("backup", target={"kind": "heartbeat", "grace": "1m"}, interval="1m"))
    await site.change(heartbeat)
    (row,) = await site.rows("select ping_id::text from heartbeats")
    pinged = Heartbeats(site.database, site.told.extend, quiet_alerting())

    async def ping() -> PingAnswer:
        received = asyncio.get_running_loop().time()
        return await pinged.take(Delivery(PingAddress(Door.PING_ID, row.ping_id), PingKind.SUCCESS, received))

    assert await ping() is PingAnswer.TAKEN
    async with asyncio.timeout(PATIENCE_SECONDS):
        async with halted(site, PatchMonitor(heartbeat.monitor_id, {"interval": "24h"})) as changing:
            pinging = asyncio.create_task(ping())
            await until_waiting(site, 2)
        assert (await changing)[0] == Changed(heartbeat.monitor_id)
        assert await pinging is PingAnswer.TAKEN
    (wait,) = await site.rows("select expected_at - pinged_at as lasts from heartbeats")
    assert wait.lasts == timedelta(hours=24, minutes=1)
