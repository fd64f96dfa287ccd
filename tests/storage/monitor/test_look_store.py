"""A slot is told once, as collected or as missed, when a round changes hands while its looks are written."""

import asyncio

from alert_site import AlertSite

from shared.domain.monitor.looks import MissedLook, TakenLook
from shared.domain.monitor.slots import Gap, GapReason
from shared.services.monitor.recorder import Recorder
from shared.storage.database import Database

PATIENCE_SECONDS = 30


def missed_like(look: TakenLook) -> MissedLook:
    """The same slot, as a worker tells it that comes too late."""
    slot = look.visit.slot
    return MissedLook(look.round, Gap(look.monitor.monitor_id, slot, slot, 1, GapReason.OVERLOAD))


async def test_a_slot_that_has_its_sample_is_not_missed(database: Database) -> None:
    """The worker before wrote it, with the last of its lease."""
    site = await AlertSite(database).open()
    look = await site.look(await site.monitor(), 10)
    recorder = Recorder(database, lambda _: None, site.alerting)
    assert await recorder.record(look)
    assert await recorder.record(missed_like(look))
    assert await site.rows("select 1 from slot_gaps") == []


async def test_a_slot_without_a_sample_is_missed(database: Database) -> None:
    """By the monitor and the moment, whatever other slots have."""
    site = await AlertSite(database).open()
    monitor_id = await site.monitor()
    first, second = await site.look(monitor_id, 10), await site.look(monitor_id, 20)
    recorder = Recorder(database, lambda _: None, site.alerting)
    assert await recorder.record(first)
    assert await recorder.record(missed_like(second))
    assert await site.rows("select first_slot, reason from slot_gaps") == [(second.visit.slot, "overload")]


async def test_a_lease_that_is_lost_while_a_look_waits_to_be_written_writes_nothing(database: Database) -> None:
    """The next worker may have told the slot as missed by then."""
    site = await AlertSite(database).open()
    look = await site.look(await site.monitor(), 10)
    recorder = Recorder(database, lambda _: None, site.alerting)
    async with database.transaction() as work:
        await work.fetch("select 1 from monitor_states for update")
        writing = asyncio.create_task(recorder.record(look))
        await until_somebody_waits(database)
        await work.run("update jobs set lease_token = gen_random_uuid() where job_id = $1", look.round.job_id)
    assert not await asyncio.wait_for(writing, PATIENCE_SECONDS)
    assert await site.rows("select 1 from sample") == []


async def until_somebody_waits(database: Database) -> None:
    """Wait until a statement waits for a row that is held."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            async with database.transaction() as work:
                rows = await work.fetch(
                    "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
                )
            if rows:
                return
            await asyncio.sleep(0.01)
