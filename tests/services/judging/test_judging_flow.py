"""Rules over the real database: judged in the transaction that wrote, swept, and ended when something is gone."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from alert_site import SECOND, AlertSite
from monitor_site import Site
from quiet_alerting import quiet_alerting
from round_site import slot_now

from shared.domain.judging.pair_judging import PairJudging
from shared.domain.monitor.monitor_changes import DeleteMonitor, PatchMonitor, PauseMonitor
from shared.domain.sample.chunk_codec import ChunkError
from shared.domain.target.outcome import Outcome
from shared.services.judging import window_fill
from shared.services.monitor.silence import Silence
from shared.storage.alert.alert_store import AlertStore
from shared.storage.database import Database, UnitOfWork
from shared.storage.monitor.look_store import LookStore


@pytest.fixture
async def site(database: Database) -> AlertSite:
    """A site without monitors and rules."""
    return await AlertSite(database).open()


async def test_a_monitor_fires_with_the_sample_that_crosses_and_resolves_with_the_one_that_returns(
    site: AlertSite,
) -> None:
    """Each in the transaction that stored it."""
    monitor_id = await site.monitor()
    await site.rule("max(duration_ms, 30s) > 300")
    await site.looks(monitor_id, 0)
    await site.looks(monitor_id, 10, value=400)
    assert await site.alerts() == [("firing", "met")]
    await site.looks(monitor_id, 20, 30, 40, 50)
    assert await site.alerts() == [("resolved", "not_met")]
    assert await site.steps() == [(monitor_id, "fire", 10), (monitor_id, "resolve", 40)]


async def test_nothing_is_kept_of_a_transaction_that_failed(site: AlertSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the sample nor what it means; tried again, both are."""
    monitor_id = await site.monitor()
    await site.rule("state == down")
    with monkeypatch.context() as patch:
        patch.setattr(AlertStore, "apply", _fail)
        with pytest.raises(ArithmeticError):
            await site.looks(monitor_id, 0, outcome=Outcome.DOWN)
    assert await site.alerts() == []
    assert await site.rows("select 1 from sample") == []
    await site.looks(monitor_id, 0, outcome=Outcome.DOWN)
    assert await site.alerts() == [("firing", "met")]


async def _fail(*_: object) -> None:
    raise ArithmeticError


async def test_a_rule_that_cannot_be_judged_costs_nothing_else(
    site: AlertSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sample is kept, other rules judge it, and the sweep goes on; once it can be judged the rule fires too."""
    monitor_id = await site.monitor(interval=100 * SECOND)
    broken = await site.rule("state == down", "broken", **{"for": 20 * SECOND})
    await site.rule("state == down", "other", **{"for": 20 * SECOND})
    await site.sweep()
    with monkeypatch.context() as patch:
        patch.setattr(PairJudging, "judge", _judge_all_but(broken))
        await site.looks(monitor_id, 0, outcome=Outcome.DOWN)
        await site.sweep()
        assert await site.alerts() == [("firing", "met_long_enough")]
        assert len(await site.rows("select 1 from sample")) == 1
    await site.looks(monitor_id, 300)
    await site.looks(monitor_id, 310, outcome=Outcome.DOWN)
    await site.sweep()
    found = await site.rows("select name from alerts where state = 'firing'")
    assert {row.name for row in found} == {"broken", "other"}


def _judge_all_but(broken: UUID) -> Callable[[PairJudging, datetime], None]:
    judge = PairJudging.judge

    def judge_or_fail(judging: PairJudging, at: datetime) -> None:
        if judging.rule.rule_id == broken:
            raise ArithmeticError
        judge(judging, at)

    return judge_or_fail


async def test_values_beyond_any_sum_cost_no_sample(site: AlertSite) -> None:
    """They make the figure unknown, and what can be judged is."""
    monitor_id = await site.monitor()
    await site.rule("sum(size_bytes, 1h) > 1 or max(size_bytes, 1h) > 1")
    await site.rule("rate(size_bytes, 1h) > 1", "rate")
    for place in range(0, 600, 100):
        look = await site.look(monitor_id, place)
        metrics = {"size_bytes": 1.7e308 if place % 200 else 0.0}
        await site.record([replace(look, reading=replace(look.reading, metrics=metrics))])
    assert len(await site.rows("select 1 from sample")) == 6
    assert await site.alerts() == [("firing", "met")] * 2


async def test_what_was_judged_is_remembered_by_other_processes(site: AlertSite, database: Database) -> None:
    """A window goes on where another worker left it, and an alert ends that another one began."""
    monitor_id = await site.monitor()
    await site.rule("sum(duration_ms, 1m) > 100")
    for place in range(8):
        other = AlertSite(database, round=site.round)
        other.start = site.start
        await other.looks(monitor_id, place * 10, value=60 if place < 3 else 1)
    assert [step[1:] for step in await site.steps()] == [("fire", 10), ("resolve", 70)]


async def test_a_rule_that_comes_later_is_judged_by_what_was_stored_before(site: AlertSite) -> None:
    """Its windows are filled, so that it comes to what it would have come to from the beginning."""
    monitor_id = await site.monitor()
    await site.looks(monitor_id, *range(0, 600, 10), value=500)
    await site.rule("min(duration_ms, 5m) > 300 and count(5m) >= 25")
    await site.looks(monitor_id, 600, value=500)
    assert await site.alerts() == []
    await site.sweep()
    assert await site.steps() == [(monitor_id, "fire", 600)]
    (judgement,) = await site.rows("select extract(epoch from judged_at - filled_from) as filled from judgements")
    assert judgement.filled >= 300
    await site.looks(monitor_id, 610, value=500)
    assert await site.alerts() == [("firing", "met")]


async def test_a_rule_of_states_finds_what_is_down_already(site: AlertSite) -> None:
    """Once the sweep has applied it, without a look; a monitor that is well leaves no row."""
    down, _ = await site.monitor(), await site.monitor()
    await site.looks(down, 0, outcome=Outcome.DOWN)
    rule_id = await site.rule("state == down")
    await site.sweep()
    assert [step[:2] for step in await site.steps()] == [(down, "fire")]
    assert len(await site.rows("select 1 from judgements")) == 1
    (rule,) = await site.rows("select rule_id, applied_version = version as is_applied from alert_rules")
    assert (rule.rule_id, rule.is_applied) == (rule_id, True)


async def test_a_duration_that_passes_without_a_look_is_swept(site: AlertSite) -> None:
    """As of the moment when it was over."""
    monitor_id = await site.monitor(interval=100 * SECOND)
    await site.rule("state == down", **{"for": 90 * SECOND})
    await site.looks(monitor_id, 0, outcome=Outcome.DOWN)
    assert await site.alerts() == [("pending", "not_yet_long_enough")]
    await site.sweep()
    assert await site.steps() == [(monitor_id, "pend", 0), (monitor_id, "fire", 90)]


async def test_time_in_which_nobody_looked_is_not_believed_to_have_passed(site: AlertSite) -> None:
    """All workers were away: neither what pended has gone on, nor what was kept firing is over, as far as is known."""
    pending, kept = await site.monitor(), await site.monitor()
    await site.rule("state == down", "pending", selector=f"monitor={pending}", **{"for": 90 * SECOND})
    await site.rule("state == down", "kept", selector=f"monitor={kept}", keep_firing_for=90 * SECOND)
    await site.sweep()
    await site.looks(pending, 0, outcome=Outcome.DOWN)
    await site.looks(kept, 0, outcome=Outcome.DOWN)
    await site.looks(kept, 10)
    before = [("pending", "not_yet_long_enough"), ("firing", "met")]
    await site.sweep()
    assert sorted(await site.alerts()) == sorted(before)
    await Silence(site.database, lambda _: None, site.alerting).settle()
    await site.sweep()
    assert sorted(await site.alerts()) == sorted(before)
    for monitor_id in (pending, kept):
        await site.looks(monitor_id, 600)
    assert sorted(await site.alerts()) == [("resolved", "not_met"), ("resolved", "not_met")]
    assert [step[1:] for step in await site.steps()] == [("pend", 0), ("fire", 0), ("clear", 600), ("resolve", 600)]


async def test_samples_that_stay_away_are_swept(site: AlertSite) -> None:
    """By the monitor's own interval, also where a window asks for more."""
    monitor_id = await site.monitor()
    await site.looks(monitor_id, 0, 10)
    await site.rule("absent(3 intervals)")
    await site.rule("absent(100s) and max(duration_ms, 1h) > 0", "second")
    await site.looks(monitor_id, 20)
    await Silence(site.database, lambda _: None, site.alerting).settle()
    await site.sweep()
    assert {step[1:] for step in await site.steps()} == {("fire", 50), ("fire", 120)}
    await site.looks(monitor_id, 1000)
    assert {state for state, _ in await site.alerts()} == {"resolved"}


async def test_a_rule_that_is_edited_while_it_fires_goes_on_with_the_same_alert(site: AlertSite) -> None:
    """And ends it when it is not met any more by what it is now."""
    monitor_id = await site.monitor()
    site.start = slot_now(-30)
    rule_id = await site.rule("max(duration_ms, 5m) > 300")
    await site.looks(monitor_id, 0, value=400)
    await site.edit(rule_id, "max(duration_ms, 10m) > 350")
    await site.sweep()
    assert await site.alerts() == [("firing", "met")]
    await site.looks(monitor_id, 10)
    assert await site.alerts() == [("firing", "met")]
    await site.edit(rule_id, "max(duration_ms, 10m) > 500")
    await site.sweep()
    assert await site.alerts() == [("resolved", "not_met")]


@pytest.mark.parametrize("is_deleted", [True, False])
async def test_a_rule_that_is_gone_ends_its_alerts(site: AlertSite, *, is_deleted: bool) -> None:
    """With the reason, and nothing of it is remembered."""
    monitor_id = await site.monitor()
    rule_id = await site.rule("state == down")
    await site.looks(monitor_id, 0, outcome=Outcome.DOWN)
    if is_deleted:
        await site.delete_rule(rule_id)
    else:
        await site.edit(rule_id, "state == down", enabled=False)
    await site.sweep()
    assert await site.alerts() == [("resolved", "rule_deleted" if is_deleted else "rule_disabled")]
    assert await site.rows("select 1 from judgements") == []


@pytest.mark.parametrize("what", ["delete", "pause", "relabel"])
async def test_a_monitor_that_is_gone_ends_its_alerts_at_once(database: Database, what: str) -> None:
    """In the transaction that deletes, pauses or relabels it."""
    monitors = Site(database)
    site = await AlertSite(database, alerting=quiet_alerting()).open()
    (monitor_id,) = await monitors.make("shop", labels={"team": "web"}, confirmations=0)
    site.start += timedelta(hours=2)
    await site.rule("state == down", selector="team=web")
    await site.looks(monitor_id, 0, outcome=Outcome.DOWN)
    assert await site.alerts() == [("firing", "met")]
    changes = {
        "delete": DeleteMonitor(monitor_id),
        "pause": PauseMonitor(monitor_id, is_paused=True),
        "relabel": PatchMonitor(monitor_id, {"labels": {"team": "db"}}),
    }
    await monitors.change(changes[what])
    reasons = {"delete": "monitor_deleted", "pause": "monitor_paused", "relabel": "deselected"}
    assert await site.alerts() == [("resolved", reasons[what])]
    assert await site.rows("select 1 from judgements") == []


async def test_a_monitor_that_goes_on_after_a_pause_is_judged_anew(database: Database) -> None:
    """It is waited for from then on, not since its last sample before the pause."""
    monitors = Site(database)
    site = await AlertSite(database, alerting=quiet_alerting()).open()
    (monitor_id,) = await monitors.make("shop")
    await site.rule("absent(1h)")
    await monitors.change(PauseMonitor(monitor_id, is_paused=True))
    await monitors.change(PauseMonitor(monitor_id, is_paused=False))
    await site.sweep()
    (row,) = await site.rows("select due_at - now() as left, verdict from judgements")
    assert row.verdict == "not_met"
    assert timedelta(minutes=59) < row.left <= timedelta(hours=1)


async def test_a_monitor_that_never_got_a_sample_is_absent_too(site: AlertSite) -> None:
    """Since it was made."""
    await site.monitor()
    await site.rule("absent(1h) and max(duration_ms, 5m) > 0 or absent(2h)")
    await site.sweep()
    assert await site.alerts() == [("firing", "met")]


async def test_a_state_found_only_by_confirmation_is_told_from_its_beginning(site: AlertSite) -> None:
    """As in the timeline."""
    monitor_id = await site.monitor(confirmations=1)
    await site.rule("state == down")
    await site.looks(monitor_id, 0)
    await site.looks(monitor_id, 10, 20, outcome=Outcome.DOWN)
    assert await site.steps() == [(monitor_id, "fire", 10)]


async def test_without_rules_a_flush_asks_one_question_more(site: AlertSite) -> None:
    """And nothing is remembered of any monitor."""
    monitor_id = await site.monitor()
    await site.looks(monitor_id, 0, outcome=Outcome.DOWN)
    assert await site.rows("select 1 from judgements") == []
    assert site.alerting.book._known == {}


@pytest.mark.parametrize("change", ["deleted", "disabled", "edited", "deselecting"])
async def test_a_look_under_way_while_its_rule_is_changed_leaves_no_alert_behind(site: AlertSite, change: str) -> None:
    """It was judged by the rule as it was, and is committed when the sweep has brought the change to all others."""
    monitor_id = await site.monitor()
    rule_id = await site.rule("state == down")
    await site.sweep()
    await site.looks(monitor_id, 0)
    look = await site.look(monitor_id, 10, outcome=Outcome.DOWN)
    async with site.database.writing() as work:
        await LookStore(work, site.alerting.judge(work)).record([look])
        match change:
            case "deleted":
                await site.delete_rule(rule_id)
            case "disabled":
                await site.edit(rule_id, "state == down", enabled=False)
            case "edited":
                await site.edit(rule_id, "state == degraded")
            case _:
                await site.edit(rule_id, "state == down", selector="kind=http")
        sweeping = asyncio.create_task(site.sweep())
        # One that goes on judging the monitor waits for it; the others are done with it.
        await asyncio.wait([sweeping], timeout=0.5 if change == "edited" else 60)
    await sweeping
    await site.sweep()
    reasons = {"deleted": "rule_deleted", "disabled": "rule_disabled", "edited": "not_met", "deselecting": "deselected"}
    assert await site.alerts() == [("resolved", reasons[change])]


async def test_a_slow_reading_of_rules_takes_no_later_ones_away(site: AlertSite) -> None:
    """Two units of work of one process read them at once, and the one that began earlier ends later."""
    await site.rule("state == down", "first")
    is_reading, may_go_on = asyncio.Event(), asyncio.Event()

    class Slow(UnitOfWork):
        def __init__(self, work: UnitOfWork) -> None:
            self._work = work

        async def fetch(self, statement: str, *parameters: object) -> Sequence[Any]:
            rows = await self._work.fetch(statement, *parameters)
            if "alert_rules" in statement:
                is_reading.set()
                await may_go_on.wait()
            return rows

    async with site.database.writing() as early, site.database.writing() as late:
        book = site.alerting.book
        reading = asyncio.create_task(book.refresh(Slow(early)))
        await is_reading.wait()
        second = await site.rule("state == down", "second")
        assert await book.refresh(late)
        may_go_on.set()
        assert await reading
        assert book.find_rule(second) is not None


async def test_samples_that_cannot_be_read_hold_no_other_rule_up(
    site: AlertSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows of the other monitors are filled, timers of other rules run out, and the one is tried again later."""
    bad, *good = [await site.monitor(interval=100 * SECOND) for _ in range(3)]
    for monitor_id in (bad, *good):
        await site.looks(monitor_id, 0, outcome=Outcome.DOWN, value=500)
    await Silence(site.database, lambda _: None, site.alerting).settle()
    await site.rule("max(duration_ms, 2h) > 300", "window")
    read = window_fill.read_fillings

    async def read_or_fail(database: Database, rule: Any, monitors: Sequence[Any], *, now: datetime) -> Any:
        if any(monitor.monitor_id == bad for monitor in monitors):
            raise ChunkError("the chunk of a day is damaged")
        return await read(database, rule, monitors, now=now)

    monkeypatch.setattr(window_fill, "read_fillings", read_or_fail)
    for _ in range(5):
        await site.sweep()
    rows = await site.rows("select name, monitor_id from alerts where name = 'window'")
    assert {row.monitor_id for row in rows} == set(good)
    (put_off,) = await site.rows(
        "select due_at > now() + interval '5 minutes' as is_so from judgements"
        " where filled_from is null and monitor_id = $1 and windows = ''"
        " and rule_id = (select rule_id from alert_rules where name = 'window')",
        bad,
    )
    assert put_off.is_so
