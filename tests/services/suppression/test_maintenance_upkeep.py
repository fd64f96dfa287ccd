"""Windows of maintenance: monitors enter and leave them in event time, whoever is at it and how often."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from heartbeat_site import HeartbeatSite
from job_bench import Bench
from monitor_site import Site
from quiet_alerting import quiet_alerting
from round_site import RoundSite, add_monitor, slot_now
from uuid_utils.compat import uuid7

from shared.clock import utc_now
from shared.domain.live import LiveEvent, StateTold
from shared.domain.matchers import parse_matchers
from shared.domain.monitor.monitor_changes import DeleteMonitor, PatchMonitor, PauseMonitor
from shared.domain.monitor.slots import Visit
from shared.domain.monitor.standing import STATE_OF_CODE, MonitorState, Standing
from shared.domain.rule.expressions import parse_expression
from shared.domain.rule.rules import RuleSpec
from shared.domain.suppression.maintenance import Maintenance
from shared.domain.target.observation import Observation
from shared.services.suppression.maintenance import Maintenances
from shared.services.suppression.maintenance_upkeep import MaintenanceUpkeep
from shared.storage.database import Database
from shared.storage.monitor.span_store import SpanStore
from shared.storage.rule.rule_store import RuleStore
from shared.storage.suppression.maintenance_store import MaintenanceStore

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
UP, DOWN, PENDING = MonitorState.UP, MonitorState.DOWN, MonitorState.PENDING
PAUSED, MAINTENANCE = MonitorState.PAUSED, MonitorState.MAINTENANCE

_MADE = {
    "monitors": "created_at = $1, updated_at = $1",
    "monitor_states": "since = $1",
    "state_spans": "started_at = $1",
}


@dataclass
class Works:
    """Planned work in a database, and what upkeep told of it."""

    database: Database
    site: Site
    told: list[LiveEvent] = field(default_factory=list)

    def upkeep(self) -> MaintenanceUpkeep:
        """A worker's upkeep."""
        return MaintenanceUpkeep(self.database, self.told.extend, quiet_alerting())

    async def plan(self, selector: str, start: datetime, end: datetime, **more: Any) -> UUID:
        """A window."""
        window = Maintenance(uuid7(), "disks", parse_matchers(selector), start, end, start, "tests", **more)
        async with self.database.transaction() as work:
            await MaintenanceStore(work).insert(window)
        return window.maintenance_id

    async def move(self, window: UUID, *, start: datetime, end: datetime) -> None:
        """Let a window have other times."""
        async with self.database.transaction() as work:
            store = MaintenanceStore(work)
            found = await store.lock(window)
            assert found is not None
            await store.update_times(replace(found, starts_at=start, ends_at=end))

    async def made(self, *names: str, hours_ago: float = 10, **fields: Any) -> list[UUID]:
        """Monitors that have been up for some hours."""
        ids = await self.site.make(*names, **fields)
        since = utc_now() - hours_ago * HOUR
        async with self.database.transaction() as work:
            for table, changes in _MADE.items():
                await work.run(f"update {table} set {changes} where monitor_id = any($2::uuid[])", since, ids)
        for monitor_id in ids:
            until = utc_now() + HOUR
            await self.site.stand(monitor_id, Standing(UP, since + MINUTE, covered_until=until, last_at=since))
        return ids

    async def spans(self, monitor_id: UUID) -> list[tuple[datetime, MonitorState]]:
        """The timeline of a monitor from its first look on."""
        rows = await self.site.rows(
            "select started_at, state from state_spans where monitor_id = $1 order by started_at", monitor_id
        )
        return [(row.started_at, STATE_OF_CODE[row.state]) for row in rows][1:]

    async def states(self, *monitor_ids: UUID) -> list[MonitorState]:
        """How monitors stand; those that are gone are left out."""
        rows = await self.site.rows(
            "select array_position($1::uuid[], monitor_id), state from monitor_states"
            " where monitor_id = any($1::uuid[]) order by 1",
            list(monitor_ids),
        )
        return [STATE_OF_CODE[row.state] for row in rows]

    async def members(self) -> int:
        """How many monitors are held by windows."""
        rows = await self.site.rows("select count(*) as held from maintenance_members")
        return int(rows[0].held)


@pytest.fixture
def works(database: Database) -> Works:
    """Planned work in an empty database."""
    return Works(database, Site(database))


def now() -> datetime:
    """Now, to a millisecond."""
    return slot_now()


async def test_monitors_enter_when_it_began_and_leave_when_it_ended(works: Works) -> None:
    """Not when upkeep got to it; once each, told once each, and only those that are selected."""
    db, web = [(await works.made(name, labels={"team": name}))[0] for name in ("db", "web")]
    start, end = now() - HOUR, now() + HOUR
    window = await works.plan("team=db", start, end)
    upkeep = works.upkeep()
    assert [await upkeep.run(), await upkeep.run()] == [1, 0]
    assert await works.states(db, web) == [MAINTENANCE, UP]
    ended = now() - 20 * MINUTE
    await works.move(window, start=start, end=ended)
    assert [await upkeep.run(), await upkeep.run(), await works.members()] == [1, 0, 0]
    assert (await works.spans(db))[1:] == [(start, MAINTENANCE), (ended, PENDING)]
    assert works.told == [
        StateTold(db, start, MAINTENANCE, None, "disks"),
        StateTold(db, ended, PENDING, None, None),
    ]
    async with works.database.transaction() as work:
        found = await MaintenanceStore(work).find(window)
    assert found is not None
    assert found.ended_at == ended


async def test_the_time_is_left_out_of_uptime(works: Works) -> None:
    """Neither up nor down, neither known nor unknown."""
    (db,) = await works.made("db")
    await works.plan("monitor=db", now() - 2 * HOUR, now() - HOUR)
    upkeep = works.upkeep()
    await works.site.rows("update maintenances set ends_at = now() + interval '1 hour' returning 1")
    await upkeep.run()
    await works.site.rows("update maintenances set ends_at = now() - interval '1 hour' returning 1")
    await upkeep.run()
    async with works.database.transaction() as work:
        (uptime,) = (await SpanStore(work).sum_up([db], [now() - 5 * HOUR], now=now()))[db]
    assert uptime.maintenance_seconds == pytest.approx(3600, abs=5)
    assert uptime.ratio == 1.0
    assert uptime.up_seconds == pytest.approx(3 * 3600, abs=5)


async def test_a_window_that_lets_uptime_count_changes_no_state(works: Works) -> None:
    """It only holds notices back."""
    (db,) = await works.made("db")
    await works.plan("", now() - HOUR, now() + HOUR, is_uptime_kept_clean=False)
    assert await works.upkeep().run() == 0
    assert await works.states(db) == [UP]


async def test_who_changes_meanwhile_is_taken_in_or_let_go(works: Works) -> None:
    """Made, relabelled, paused, resumed, deleted: each from its own moment on, found without looking at all."""
    start = now() - HOUR
    await works.plan("team=db", start, now() + HOUR)
    upkeep = works.upkeep()
    await upkeep.run()
    (made,) = await works.site.make("made", labels={"team": "db"})
    (other,) = await works.made("other", labels={"team": "web"})
    assert await upkeep.run() == 1
    assert await works.states(made, other) == [MAINTENANCE, UP]
    before = now()
    await works.site.change(PatchMonitor(other, {"labels": {"team": "db"}}, None))
    await works.site.change(PatchMonitor(made, {"labels": {"team": "web"}}, None))
    assert await upkeep.run() == 2
    assert await works.states(made, other) == [PENDING, MAINTENANCE]
    assert (await works.spans(other))[-1][0] >= before
    await works.site.change(PauseMonitor(other, is_paused=True))
    assert [await upkeep.run(), await works.members(), await works.states(other)] == [1, 0, [PAUSED]]
    await works.site.change(PauseMonitor(other, is_paused=False))
    assert [await upkeep.run(), await works.states(other)] == [1, [MAINTENANCE]]
    await works.site.change(DeleteMonitor(other, None))
    assert [await upkeep.run(), await works.members()] == [1, 0]


async def test_the_last_window_lets_go(works: Works) -> None:
    """A monitor that two windows select is in maintenance until both have ended."""
    (db,) = await works.made("db")
    start = now() - HOUR
    first = await works.plan('group=""', start, now() + HOUR)
    second = await works.plan("monitor=db", start + MINUTE, now() + HOUR)
    upkeep = works.upkeep()
    assert [await upkeep.run(), await works.members()] == [1, 2]
    ends = [now() - 20 * MINUTE, now() - 10 * MINUTE]
    await works.move(first, start=start, end=ends[0])
    await upkeep.run()
    assert await works.states(db) == [MAINTENANCE]
    await works.move(second, start=start, end=ends[1])
    await upkeep.run()
    assert (await works.spans(db))[1:] == [(start, MAINTENANCE), (ends[1], PENDING)]


async def test_a_window_that_recurs_moves_on_when_it_has_let_go(works: Works) -> None:
    """Its next one is the cron's; the monitors are let go with the end of the one that is over."""
    (db,) = await works.made("db")
    start, end = now() - HOUR, now() - MINUTE
    window = await works.plan("monitor=db", start, now() + HOUR, cron="0 3 1 1 *", duration=HOUR)
    upkeep = works.upkeep()
    await upkeep.run()
    await works.move(window, start=start, end=end)
    await upkeep.run()
    async with works.database.transaction() as work:
        moved = await MaintenanceStore(work).find(window)
    assert moved is not None
    assert (moved.starts_at.month, moved.starts_at.day, moved.starts_at.hour) == (1, 1, 3)
    assert (moved.ends_at - moved.starts_at, moved.ended_at) == (HOUR, None)
    assert (await works.spans(db))[1:] == [(start, MAINTENANCE), (end, PENDING)]


async def test_who_ends_it_lets_its_monitors_go(works: Works) -> None:
    """For good, from the moment on when it was ended; a second end changes nothing."""
    (db,) = await works.made("db")
    window = await works.plan("monitor=db", now() - HOUR, now() + HOUR, cron="0 3 1 1 *", duration=HOUR)
    upkeep = works.upkeep()
    await upkeep.run()
    ended_at = now()
    maintenances = Maintenances(works.database, clock=lambda: ended_at)
    assert [await maintenances.end(window), await maintenances.end(window), await maintenances.end(uuid7())] == [
        True,
        True,
        False,
    ]
    assert [await upkeep.run(), await upkeep.run()] == [1, 0]
    assert (await works.spans(db))[-1] == (ended_at, PENDING)


async def test_two_workers_open_and_close_the_same_window(works: Works, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each monitor enters once and leaves once, and is told so once."""
    monkeypatch.setattr("shared.services.suppression.maintenance_upkeep.BATCH", 7)
    monkeypatch.setattr("shared.storage.suppression.maintenance_member_store.PAGE", 20)
    ids = await works.made(*(f"m-{number:02}" for number in range(50)))
    start, ended = now() - HOUR, now() - MINUTE
    window = await works.plan('monitor=~"m-.*"', start, now() + HOUR)
    workers = [works.upkeep() for _ in range(4)]
    async with asyncio.timeout(60):
        await asyncio.gather(*(worker.run() for worker in workers))
        assert await works.states(*ids) == [MAINTENANCE] * 50
        await works.move(window, start=start, end=ended)
        await asyncio.gather(*(worker.run() for worker in workers))
        while await works.members():
            await asyncio.gather(*(worker.run() for worker in workers))
    assert sorted(works.told, key=str) == sorted(
        [StateTold(id_, start, MAINTENANCE, None, "disks") for id_ in ids]
        + [StateTold(id_, ended, PENDING, None, None) for id_ in ids],
        key=str,
    )
    for monitor_id in ids:
        assert (await works.spans(monitor_id))[1:] == [(start, MAINTENANCE), (ended, PENDING)]


class Well:
    """A collector by which every file is there."""

    async def collect(self, _: Any) -> Observation:
        """Find it."""
        return Observation(1.5, {"EXISTS": True, "SIZE": 7.0}, {"size_bytes": 7.0})

    async def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def site(bench: Bench) -> RoundSite:
    """Rounds in which every file is there."""
    return RoundSite(bench, {"file": Well()})


async def test_looks_go_on_and_say_nothing(site: RoundSite, works: Works) -> None:
    """Their samples are kept, and the state is `maintenance`; the first look after the end finds it up."""
    monitor_id = await add_monitor(site.bench.database, {"kind": "file", "path": "/a"}, since=slot_now(-100))
    window = await works.plan("group=tests", slot_now(-60), slot_now(60))
    upkeep = works.upkeep()
    await upkeep.run()
    slots = [slot_now()]
    await site.run([Visit(monitor_id, 1, slots[0])])
    assert await site.state(monitor_id) == "maintenance"
    assert set(await site.sampled()) == {(monitor_id, slots[0])}
    await works.move(window, start=slot_now(-60), end=slot_now(-0.01))
    await upkeep.run()
    assert await site.state(monitor_id) == "pending"
    await site.run([Visit(monitor_id, 1, slot_now(0.05))])
    assert await site.state(monitor_id) == "up"


async def test_a_window_that_ends_while_looks_are_recorded(site: RoundSite, works: Works) -> None:
    """Whoever comes first, the timeline ends in the state that the monitor has, and nobody waits for ever."""
    ids: Sequence[UUID] = [
        await add_monitor(site.bench.database, {"kind": "file", "path": "/a"}, since=slot_now(-100)) for _ in range(10)
    ]
    window = await works.plan("group=tests", slot_now(-60), slot_now(60))
    upkeep = works.upkeep()
    await upkeep.run()
    await works.move(window, start=slot_now(-60), end=slot_now(-0.01))
    async with asyncio.timeout(60):
        looks = (site.run([Visit(monitor_id, 1, slot_now(0.02))]) for monitor_id in ids)
        await asyncio.gather(upkeep.run(), *looks, works.upkeep().run())
        await upkeep.run()
    latest = await site.rows(
        """
        select s.state = p.state and s.since = p.started_at, p.state = p.previous_state
        from monitor_states s cross join lateral (
            select * from state_spans p where p.monitor_id = s.monitor_id order by started_at desc limit 1) p
        """
    )
    assert latest == [(True, False)] * 10
    assert {await site.state(monitor_id) for monitor_id in ids} <= {"pending", "up"}
    assert len(await site.sampled()) == 10


async def test_heartbeats_are_maintained_too(database: Database, works: Works) -> None:
    """A ping is a sample meanwhile and says nothing; nothing is known until the next one after it."""
    heartbeats = HeartbeatSite(database)
    monitor_id = await heartbeats.plant()
    window = await works.plan("kind=heartbeat", datetime.now(UTC) - HOUR, datetime.now(UTC) + HOUR)
    upkeep = works.upkeep()
    await heartbeats.ping(monitor_id)
    await upkeep.run()
    for _ in range(3):
        await heartbeats.ping(monitor_id)
    assert await works.states(monitor_id) == [MAINTENANCE]
    assert len(await heartbeats.samples(monitor_id)) == 4
    await works.move(window, start=datetime.now(UTC) - HOUR, end=datetime.now(UTC))
    await upkeep.run()
    assert await works.states(monitor_id) == [PENDING]
    await heartbeats.ping(monitor_id)
    assert await works.states(monitor_id) == [UP]


async def test_rules_over_the_state_are_judged_with_it(works: Works) -> None:
    """In the transaction in which the window puts the monitor into its state, as of the moment when it began."""
    (db,) = await works.made("db")
    await works.site.stand(db, Standing(DOWN, now() - 2 * HOUR, covered_until=now() + HOUR))
    rule = {"name": "unwatched", "condition": parse_expression("state == down"), "no_data": "firing"}
    async with works.database.transaction() as work:
        rules = RuleStore(work)
        await rules.lock_all()
        await rules.insert(uuid7(), RuleSpec.model_validate(rule), by="tests")
    start = now() - HOUR
    await works.plan("monitor=db", start, now() + HOUR)
    await works.upkeep().run()
    alerts = await works.site.rows("select monitor_id, state, reason, started_at from alerts")
    assert [tuple(row) for row in alerts] == [(db, "firing", "no_data", start)]


async def test_a_monitor_that_was_confirmed_down_begins_anew(works: Works) -> None:
    """What a window interrupts is neither confirmed by it nor after it."""
    (db,) = await works.made("db")
    standing = Standing(UP, now() - 2 * HOUR, covered_until=now() + HOUR, failing=1, first_failed_at=now() - HOUR)
    await works.site.stand(db, standing)
    await works.plan("monitor=db", now() - MINUTE, now() + HOUR)
    await works.upkeep().run()
    rows = await works.site.rows("select failing, first_failed_at, message from monitor_states")
    assert [tuple(row) for row in rows] == [(0, None, "disks")]
    assert DOWN not in {state for _, state in await works.spans(db)}


async def test_what_had_fallen_silent_is_not_known_until_the_window(works: Works) -> None:
    """Nothing is known from when its knowledge ended, though nobody had noted that yet."""
    (db,) = await works.made("db")
    silent_since = now() - 3 * HOUR
    await works.site.stand(db, Standing(UP, now() - 5 * HOUR, covered_until=silent_since))
    start = now() - HOUR
    await works.plan("monitor=db", start, now() + HOUR)
    await works.upkeep().run()
    assert (await works.spans(db))[-2:] == [(silent_since, MonitorState.NO_DATA), (start, MAINTENANCE)]
