"""Making, changing, pausing and deleting monitors, on the real database."""

import asyncio
import hashlib
from datetime import timedelta

import pytest
from monitor_site import Site, spec
from uuid_utils.compat import uuid7

from shared.domain.change_results import (
    Changed,
    Deleted,
    Made,
    NameTaken,
    TooMany,
    Unchanged,
    UnknownId,
    VersionDiffers,
)
from shared.domain.live import StateTold
from shared.domain.monitor.monitor_changes import (
    CreateMonitor,
    DeleteMonitor,
    MonitorChange,
    PatchMonitor,
    PauseMonitor,
    PutMonitor,
    ReplaceMonitor,
)
from shared.domain.monitor.schedules import Schedule, phase_of
from shared.domain.monitor.standing import MonitorState, Standing, StateChange
from shared.services.monitor import monitor_batch
from shared.services.monitor.monitors import ChangesRefusedError
from shared.storage.database import Database
from shared.storage.monitor.monitor_state_store import MonitorStateStore, NewState

PATIENCE_SECONDS = 60


@pytest.fixture
def site(database: Database) -> Site:
    """A site without monitors."""
    return Site(database)


async def test_a_monitor_is_made_with_all_that_belongs_to_it(site: Site) -> None:
    """Its own series, found by its id for ever; a state, the timeline's first span, and its first slot."""
    (monitor_id,) = await site.make("shop", labels={"team": "web"})
    (series,) = await site.rows("select s.* from series s join monitors m using (series_id)")
    assert series.identity == hashlib.sha256(b"monitor:" + monitor_id.bytes).digest()
    assert (series.monitor_id, series.kind, series.name) == (monitor_id, "http", "https://shop.example/")
    assert series.labels == {"team": "web"}
    (row,) = await site.rows(
        """
        select m.created_at, s.state, s.since, t.started_at, t.state as first, c.next_slot, c.due_at
        from monitors m join monitor_states s using (monitor_id) join state_spans t using (monitor_id)
        join schedules c using (monitor_id)
        """
    )
    assert (row.state, row.first) == (MonitorState.PENDING.code, MonitorState.PENDING.code)
    assert row.created_at == row.since == row.started_at
    assert site.told == [StateTold(monitor_id, row.since, MonitorState.PENDING)]
    interval = timedelta(seconds=10)
    assert row.next_slot == row.due_at
    assert row.next_slot == Schedule(interval, phase_of(monitor_id, interval)).next_after(row.created_at)


async def test_a_pause_is_told_and_its_slots_are_missed_for_it(site: Site) -> None:
    """The timeline has it; what was about to be confirmed is forgotten; the slots in between are a gap."""
    (monitor_id,) = await site.make("shop", interval="1s")
    (made,) = await site.rows("select since from monitor_states")
    down = Standing(MonitorState.UP, made.since + timedelta(microseconds=1), failing=1, first_failed_at=made.since)
    await site.stand(monitor_id, down)
    await site.rows("update schedules set confirm_at = now(), confirmation = 1 returning 1")
    assert await site.change(PauseMonitor(monitor_id, is_paused=True)) == [Changed(monitor_id)]
    (state,) = await site.rows("select state, failing, since from monitor_states")
    (schedule,) = await site.rows("select due_at, next_slot, confirm_at, confirmation from schedules")
    assert (state.state, state.failing) == (MonitorState.PAUSED.code, 0)
    assert tuple(schedule) == (None, None, None, 0)
    assert site.told[1:] == [StateTold(monitor_id, state.since, MonitorState.PAUSED)]
    await site.rows("update monitors set paused_at = paused_at - interval '1 hour' returning 1")
    await site.change(PauseMonitor(monitor_id, is_paused=False))
    (gap,) = await site.rows("select slots, reason, last_slot - first_slot as span from slot_gaps")
    assert (gap.slots, gap.reason) in {(3600, "paused"), (3601, "paused")}
    assert gap.span == timedelta(seconds=gap.slots - 1)
    spans = await site.rows("select state from state_spans order by started_at")
    assert [span.state for span in spans] == [
        each.code for each in (MonitorState.PENDING, MonitorState.UP, MonitorState.PAUSED, MonitorState.PENDING)
    ]
    (schedule,) = await site.rows("select due_at, next_slot > now() - interval '1 minute' as is_ahead from schedules")
    assert schedule.due_at is not None
    assert schedule.is_ahead


async def test_slots_that_nobody_scheduled_are_told_when_their_schedule_is_left(site: Site) -> None:
    """By a pause, and by another interval: they passed before, and nothing else would tell of them any more."""
    ids = await site.make("shop", "other", "third", interval="10s")
    await site.rows("update schedules set next_slot = next_slot - interval '1 min', due_at = now() returning 1")
    await site.change(
        PauseMonitor(ids[0], is_paused=True),
        PatchMonitor(ids[1], {"interval": "20s"}),
        PatchMonitor(ids[2], {"confirmations": 3}),
    )
    rows = await site.rows("select monitor_id, slots, reason from slot_gaps")
    assert {(row.monitor_id, row.reason) for row in rows} == {(each, "late") for each in ids[:2]}
    assert {row.slots for row in rows} <= {6, 7}


async def test_a_pause_never_begins_before_what_it_ends(site: Site) -> None:
    """Also when the clock was set back meanwhile."""
    (monitor_id,) = await site.make("shop")
    (row,) = await site.rows("select now() + interval '1 hour' as later")
    await site.stand(monitor_id, Standing(MonitorState.UP, row.later))
    await site.change(PauseMonitor(monitor_id, is_paused=True))
    (state,) = await site.rows("select since, state from monitor_states")
    assert (state.since, state.state) == (row.later, MonitorState.PAUSED.code)


async def test_an_edit_reaches_schedule_and_series(site: Site) -> None:
    """The next slot is the new schedule's; a confirmation that is due stays; a paused one stays without a slot."""
    running, paused = await site.make("shop", "other", interval="1h")
    await site.change(PauseMonitor(paused, is_paused=True))
    (asked,) = await site.rows(
        "update schedules set confirm_at = now(), due_at = now() where monitor_id = $1 returning confirm_at", running
    )
    patch = {"interval": "10s", "labels": {"team": "web"}, "target": {"url": "https://shop.example/new"}}
    await site.change(*(PatchMonitor(each, patch | {"target": {"timeout": "3s"}}) for each in (running, paused)))
    rows = await site.rows("select next_slot, due_at, next_slot - now() as ahead from schedules order by due_at")
    assert rows[0].ahead <= timedelta(seconds=10)
    assert (rows[0].due_at, rows[1].due_at, rows[1].next_slot) == (asked.confirm_at, None, None)
    assert {str(row.labels) for row in await site.rows("select labels from series")} == {"{'team': 'web'}"}
    rows = await site.rows("select version from monitors order by name")
    assert [row.version for row in rows] == [3, 2]


async def test_an_edit_of_something_else_leaves_the_schedule(site: Site) -> None:
    """Nobody misses a slot because a threshold is tightened."""
    (monitor_id,) = await site.make("shop", interval="1h")
    (before,) = await site.rows("update schedules set next_slot = next_slot + interval '1 h' returning next_slot")
    assert await site.change(PatchMonitor(monitor_id, {"confirmations": 3})) == [Changed(monitor_id)]
    assert [row.next_slot for row in await site.rows("select next_slot from schedules")] == [before.next_slot]
    assert await site.change(PatchMonitor(monitor_id, {"confirmations": 3})) == [Unchanged(monitor_id)]


async def test_of_two_that_make_the_same_one_does(site: Site) -> None:
    """The other is told whose the name is, or changes it: nobody waits for somebody who waits for him."""
    names = [f"m{number}" for number in range(20)]
    forth = [CreateMonitor(uuid7(), spec(name)) for name in names]
    back = [PutMonitor(uuid7(), spec(name)) for name in reversed(names)]
    async with asyncio.timeout(PATIENCE_SECONDS):
        created, put = await asyncio.gather(site.change(*forth), site.change(*back))
    made = [result for result in (*created, *put) if isinstance(result, Made)]
    assert len(made) == len(names)
    assert {type(result) for result in (*created, *put)} <= {Made, NameTaken, Unchanged}
    assert [row.n for row in await site.rows("select count(*) as n from series")] == [len(names)]


async def test_changes_that_cross_do_not_deadlock(site: Site) -> None:
    """Edits, pauses and deletions of the same monitors in opposite orders, again and again."""
    ids = await site.make(*(f"m{number}" for number in range(30)))
    orders: list[list[MonitorChange]] = []
    for turn in range(4):
        orders.append([PatchMonitor(each, {"description": f"turn {turn}", "interval": "20s"}) for each in ids])
        orders.append([PauseMonitor(each, is_paused=turn % 2 == 0) for each in reversed(ids)])
    orders.append([DeleteMonitor(each) for each in ids[::3]])
    async with asyncio.timeout(PATIENCE_SECONDS):
        results = await asyncio.gather(*(site.change(*order) for order in orders))
    assert {type(result) for result in results[-1]} == {Deleted}
    assert {type(result) for each in results for result in each} <= {Changed, Unchanged, Deleted, UnknownId}
    assert [row.n for row in await site.rows("select count(*) as n from monitors")] == [20]


async def test_a_monitor_is_deleted_while_its_state_is_written(site: Site) -> None:
    """Whoever deletes waits for who holds the state, and holds nothing that one waits for."""
    (monitor_id,) = await site.make("shop")
    async with asyncio.timeout(PATIENCE_SECONDS):
        async with site.database.transaction() as work:
            store = MonitorStateStore(work)
            locked = (await store.lock([monitor_id]))[monitor_id]
            deleting = asyncio.create_task(site.change(DeleteMonitor(monitor_id)))
            await _until_somebody_waits(site)
            since = locked.standing.since + timedelta(seconds=1)
            await store.add_spans([(monitor_id, StateChange(since, MonitorState.UP))])
            await store.update({monitor_id: NewState(Standing(MonitorState.UP, since))})
        assert await deleting == [Deleted(monitor_id)]
    assert await site.rows("select 1 from state_spans") == []


async def _until_somebody_waits(site: Site) -> None:
    """Look until a statement waits for a lock; the caller bounds it."""
    waiting = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    while not await site.rows(waiting):
        continue


async def test_all_or_nothing(site: Site) -> None:
    """What `apply` does: one refusal, and nothing is changed."""
    (first,) = await site.make("a")
    changes = [
        CreateMonitor(uuid7(), spec("b"), "web.yaml"),
        ReplaceMonitor(first, spec("a", interval="30s"), "web.yaml"),
    ]
    with pytest.raises(ChangesRefusedError) as refused:
        await site.monitors.apply_changes([*changes, DeleteMonitor(uuid7())], by="tests")
    assert refused.value.results[-1] == UnknownId()
    assert await site.monitors.find_owned("web.yaml") == {}
    await site.monitors.apply_changes(changes, by="tests")
    owned = await site.monitors.find_owned("web.yaml")
    assert [(name, kept.monitor.version) for (_, name), kept in owned.items()] == [("a", 2), ("b", 1)]
    assert owned["", "a"].monitor.schedule.interval == timedelta(seconds=30)
    assert await site.change(DeleteMonitor(first, frozenset({1}))) == [VersionDiffers(2)]


async def test_there_is_a_bound(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is beyond it is refused; what is there can still be changed."""
    await site.make("a")
    monkeypatch.setattr(monitor_batch, "MAX_MONITORS", 2)
    results = await site.change(*(PutMonitor(uuid7(), spec(name, interval="1m")) for name in ("a", "b", "c")))
    assert [type(result) for result in results] == [Changed, Made, TooMany]


async def test_secrets_reach_no_row_in_the_clear(site: Site) -> None:
    """Neither the monitor's nor its series'."""
    await site.make("shop")
    texts = await site.rows("select m::text as written from monitors m union all select s::text from series s")
    assert texts
    assert [row.written for row in texts if "tiger" in row.written] == []
