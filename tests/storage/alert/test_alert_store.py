"""What becomes of alerts is written once, whoever writes it, and however often."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

from alert_data import MINUTE, START, ends, fires, monitor_id, pends, subject_of

from shared.domain.alert.alert_changes import AlertChange
from shared.domain.alert.alerts import AlertState, Reason, Transition
from shared.domain.live import AlertTold
from shared.domain.rule.rules import EscalationStep
from shared.storage.alert.alert_event_store import AlertEventStore
from shared.storage.alert.alert_store import AlertStore, Applied
from shared.storage.database import Database

PEND, FIRE, CLEAR, RESOLVE = "pend", "fire", "clear", "resolve"


async def apply(database: Database, *changes: AlertChange) -> Applied:
    async with database.writing() as work:
        return await AlertStore(work).apply(changes)


async def kept(database: Database) -> list[Any]:
    """All alerts, the oldest first."""
    async with database.transaction() as work:
        return list(await work.fetch("select a.*, a.evidence::text as numbers from alerts a order by alert_id"))


async def is_anybody_waiting(database: Database) -> bool:
    """Whether a transaction waits for another one's lock."""
    waiting = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    async with database.transaction() as work:
        return bool(await work.fetch(waiting))


async def history(database: Database) -> list[tuple[str, str | None]]:
    """What happened, in its order."""
    async with database.transaction() as work:
        rows = await work.fetch("select kind, reason from alert_events order by event_id")
    return [(row.kind, row.reason) for row in rows]


async def test_an_alert_pends_fires_and_is_resolved(database: Database) -> None:
    """Each change is a row of its history, and is told live."""
    subject = subject_of()
    pending = pends(subject)
    alert_id = pending.alert_id
    first = await apply(database, pending)
    firing = fires(replace(subject, rule_version=2, severity="critical"), minute=2, alert_id=alert_id)
    second = await apply(database, firing)
    third = await apply(database, ends(alert_id, minute=5))
    (alert,) = await kept(database)
    assert (alert.state, alert.started_at, alert.fired_at) == ("resolved", START, START + 2 * MINUTE)
    assert (alert.resolved_at, alert.reason, alert.version) == (START + 5 * MINUTE, "not_met", 3)
    assert (alert.rule_version, alert.severity, alert.numbers) == (2, "critical", '{"value": 312.5}')
    assert await history(database) == [
        (PEND, "not_yet_long_enough"),
        (FIRE, "met"),
        (RESOLVE, "not_met"),
    ]
    told = [event for applied in (first, second, third) for event in applied.events]
    assert [event.state for event in told if isinstance(event, AlertTold)] == ["pending", "firing", "resolved"]
    assert told[1] == AlertTold(
        alert_id, subject.rule_id, monitor_id(0), AlertState.FIRING, START + 2 * MINUTE, "slow", "critical", "met"
    )


async def test_one_that_never_fired_has_never_fired(database: Database) -> None:
    """Nobody is told that it ended."""
    pending = pends(subject_of())
    await apply(database, pending)
    await apply(database, ends(pending.alert_id, minute=1, transition=Transition.CLEAR))
    (alert,) = await kept(database)
    assert (alert.state, alert.fired_at, alert.resolved_at) == ("resolved", None, START + MINUTE)


async def test_the_same_changes_twice_are_the_same_as_once(database: Database) -> None:
    """One by one or together: a transaction whose commit nobody heard of is tried again."""
    pending = pends(subject_of())
    alert_id = pending.alert_id
    changes = [pending, fires(subject_of(), minute=1, alert_id=alert_id), ends(alert_id, minute=2)]
    for _ in range(2):
        for change in changes:
            await apply(database, change)
    again = await apply(database, *changes)
    assert not again.events
    assert len(await kept(database)) == 1
    assert [kind for kind, _ in await history(database)] == [PEND, FIRE, RESOLVE]


async def test_whole_lives_may_be_written_at_once(database: Database) -> None:
    """As a round does that was held up: two lives of one monitor, the second still open, and another monitor's."""
    first, second, other = fires(subject_of()), pends(subject_of(), minute=3), fires(subject_of(1))
    changes = [first, other, ends(first.alert_id, minute=1), second]
    changes.append(fires(subject_of(), minute=4, alert_id=second.alert_id))
    await apply(database, *changes)
    assert [(alert.alert_id, alert.state) for alert in await kept(database)] == [
        (first.alert_id, "resolved"),
        (second.alert_id, "firing"),
        (other.alert_id, "firing"),
    ]
    assert [kind for kind, _ in await history(database)] == [FIRE, FIRE, RESOLVE, PEND, FIRE]


async def test_a_new_alert_is_the_open_one_of_its_fingerprint(database: Database) -> None:
    """Who lost what it remembered finds it again, and what it does next is done to that one."""
    old = pends(subject_of())
    await apply(database, old)
    again = fires(subject_of(), minute=2)
    applied = await apply(database, again)
    assert applied.adopted == {again.alert_id: old.alert_id}
    assert [(alert.alert_id, alert.state) for alert in await kept(database)] == [(old.alert_id, "firing")]
    last = fires(subject_of(), minute=3)
    applied = await apply(database, last, ends(last.alert_id, minute=4))
    assert [(alert.alert_id, alert.state) for alert in await kept(database)] == [(old.alert_id, "resolved")]
    assert [kind for kind, _ in await history(database)] == [PEND, FIRE, RESOLVE]


async def test_of_two_transactions_at_once_the_second_takes_the_first_ones_alert(database: Database) -> None:
    """Neither fails, and no change is lost."""
    pending, firing = pends(subject_of()), fires(subject_of(), minute=1)
    async with database.writing() as first:
        await AlertStore(first).apply([pending])
        second = asyncio.create_task(apply(database, firing, fires(subject_of(1))))
        async with asyncio.timeout(30):
            while not await is_anybody_waiting(database):
                continue
    applied = await second
    assert applied.adopted == {firing.alert_id: pending.alert_id}
    alerts = await kept(database)
    assert sorted((alert.monitor_id, alert.state) for alert in alerts) == [
        (monitor_id(0), "firing"),
        (monitor_id(1), "firing"),
    ]


async def test_many_who_say_the_same_at_once_make_one_alert_of_each(database: Database) -> None:
    """As a pair of Prometheus servers does, each in an order of its own; so is the end, which is told once."""
    numbers = list(range(40))
    told: Counter[str] = Counter()
    for _ in range(3):
        said = [[fires(subject_of(number)) for number in Random(seed).sample(numbers, 40)] for seed in range(5)]
        applied = await asyncio.gather(*(apply(database, *changes) for changes in said))
        opened = [alert.alert_id for alert in await kept(database) if alert.state == "firing"]
        assert len(opened) == len({alert.monitor_id for alert in await kept(database)}) == 40
        for changes, each in zip(said, applied, strict=True):
            assert {each.adopted.get(change.alert_id, change.alert_id) for change in changes} == set(opened)
        over = [[ends(each, minute=1) for each in Random(seed).sample(opened, 40)] for seed in range(5)]
        applied += await asyncio.gather(*(apply(database, *changes) for changes in over))
        told.update(event.state for each in applied for event in each.events if isinstance(event, AlertTold))
    assert told == {"firing": 120, "resolved": 120}
    assert Counter(kind for kind, _ in await history(database)) == {FIRE: 120, RESOLVE: 120}


async def test_what_fired_is_resolved_and_never_only_cleared(database: Database) -> None:
    """Somebody may have been told of it."""
    firing = fires(subject_of())
    await apply(database, firing)
    await apply(database, ends(firing.alert_id, minute=1, transition=Transition.CLEAR, reason=Reason.RULE_DELETED))
    assert (await history(database))[-1] == (RESOLVE, "rule_deleted")


async def test_an_end_of_what_is_not_there_is_nothing(database: Database) -> None:
    """Nor is one of what has ended."""
    firing = fires(subject_of())
    applied = await apply(database, ends(firing.alert_id, minute=1))
    assert not applied.events
    assert not await kept(database)


async def test_escalation_begins_with_the_firing_and_ends_with_it(database: Database) -> None:
    """The first step's time counts from when it fired."""
    steps = [EscalationStep(after=timedelta(minutes=10), channels=["boss"])]
    firing = fires(subject_of(escalation=steps), minute=1)
    await apply(database, firing)
    (alert,) = await kept(database)
    assert alert.escalate_at == START + 11 * MINUTE
    await apply(database, ends(firing.alert_id, minute=2))
    (alert,) = await kept(database)
    assert alert.escalate_at is None


async def test_a_storm_is_written_in_a_few_statements(database: Database) -> None:
    """2,000 alerts fire and end, in the time of a flush."""
    storm = [fires(subject_of(number)) for number in range(2000)]
    applied = await apply(database, *storm)
    assert len(applied.events) == 2000
    await apply(database, *[ends(each.alert_id, minute=1) for each in storm])
    assert {alert.state for alert in await kept(database)} == {"resolved"}
    async with database.transaction() as work:
        events = await AlertEventStore(work).list_latest(storm[0].alert_id)
    assert [(event.kind, event.detail) for event in events] == [(FIRE, {"value": 312.5}), (RESOLVE, None)]
