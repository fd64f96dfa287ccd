"""A random walk through the lives of alerts, in a real PostgreSQL, beside a model that is plain numbers."""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from alert_data import MINUTE, START, subject_of
from alert_model import FLAPPING_WITHIN, ModelAlerts, ModelMemory, ModelTiming
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule
from random_walks import IS_REPEATED, AsyncMachine, examples, take_walks
from uuid_utils.compat import uuid7

from shared.domain.alert.alert_changes import AlertChange
from shared.domain.alert.alerts import (
    OPEN_STATES,
    AlertLife,
    Decision,
    Flapping,
    NoData,
    Reason,
    Timing,
    Transition,
    Verdict,
    decide_alert,
    end_alert,
)
from shared.storage.alert.acknowledgement_store import AcknowledgementStore
from shared.storage.alert.alert_store import AlertStore, Applied
from shared.storage.database import Database, create_engine
from shared.storage.tables import metadata

History = list[tuple[str, int]]
"""Transitions, with the minutes at which they were."""

EXAMPLES = examples(12)
STEPS = 40
MONITORS = 2
OPENING = frozenset({Transition.PEND, Transition.FIRE})
LIVES = frozenset(
    {("pend",), ("fire",), ("pend", "fire"), ("pend", "clear"), ("fire", "resolve"), ("pend", "fire", "resolve")}
)
"""All that may ever have happened to an alert."""
SEEN: Counter[str] = Counter()
"""What all walks together have met, so that a walk that leads nowhere is noticed."""

TIMINGS = st.builds(
    ModelTiming,
    wait=st.sampled_from([0, 0, 2, 5]),
    keep=st.sampled_from([0, 0, 3]),
    fires=st.sampled_from([0, 2, 3]),
    hold=st.sampled_from([4, 8]),
    no_data=st.sampled_from(["keep", "ok", "firing"]),
)
VERDICTS = st.sampled_from(["met", "met", "not_met", "not_met", "unknown"])
ENDS = st.sampled_from(
    [Reason.RULE_DELETED, Reason.RULE_DISABLED, Reason.MONITOR_DELETED, Reason.MONITOR_PAUSED, Reason.DESELECTED]
)
MONITOR = st.integers(min_value=0, max_value=MONITORS - 1)
JUDGEMENTS = st.lists(st.tuples(st.integers(min_value=-2, max_value=4), VERDICTS, TIMINGS), max_size=60)


def moment(minute: int) -> datetime:
    return START + minute * MINUTE


def minute_of(at: datetime | None) -> int | None:
    return None if at is None else (at - START) // MINUTE


def timing_of(timing: ModelTiming) -> Timing:
    """The same durations as a rule has them."""
    within = timedelta(minutes=FLAPPING_WITHIN)
    return Timing(
        for_=timing.wait * MINUTE,
        keep_firing_for=timing.keep * MINUTE,
        no_data=NoData(timing.no_data),
        flapping=Flapping(timing.fires, within, timing.hold * MINUTE) if timing.fires else None,
    )


@settings(max_examples=40 * EXAMPLES, deadline=None, derandomize=IS_REPEATED)
@given(judgements=JUDGEMENTS)
def test_decisions_are_the_model_s(judgements: list[tuple[int, str, ModelTiming]]) -> None:
    """Whatever the verdicts, in whatever order of moments, with a rule that is edited before each of them."""
    life, memory, clock = AlertLife(), ModelMemory(), 0
    for ahead, verdict, timing in judgements:
        clock += ahead
        decision = decide_alert(life, Verdict(verdict), at=moment(clock), timing=timing_of(timing))
        assert decision.transition.value == memory.judge(clock, verdict, timing)
        life = decision.life
        assert (life.state or "none") == memory.stage
        if decision.due_at is not None:
            assert decision.due_at > moment(clock)


@settings(max_examples=10 * EXAMPLES, deadline=None, derandomize=IS_REPEATED)
@given(judgements=JUDGEMENTS)
def test_nothing_but_time_happens_at_the_moment_that_is_due(judgements: list[tuple[int, str, ModelTiming]]) -> None:
    """When nothing comes until the moment that was named, judging then does what was waited for, and not before."""
    life, clock = AlertLife(), 0
    for ahead, verdict, wanted in judgements:
        clock += ahead
        timing = timing_of(wanted)
        decision = decide_alert(life, Verdict(verdict), at=moment(clock), timing=timing)
        if decision.due_at is not None and verdict != "unknown":
            before = decide_alert(decision.life, Verdict(verdict), at=decision.due_at - MINUTE / 2, timing=timing)
            then = decide_alert(decision.life, Verdict(verdict), at=decision.due_at, timing=timing)
            assert before.transition is Transition.NONE
            assert then.transition is (Transition.FIRE if verdict == "met" else Transition.RESOLVE)
        life = decision.life


@dataclass
class Judged:
    """A rule on one monitor: what is remembered of it, and what the model makes of the same."""

    number: int
    timing: ModelTiming = field(default_factory=ModelTiming)
    version: int = 1
    life: AlertLife = field(default_factory=AlertLife)
    alert_id: UUID | None = None
    memory: ModelMemory = field(default_factory=ModelMemory)
    alerts: ModelAlerts = field(default_factory=ModelAlerts)

    def change_of(self, decision: Decision, at: int) -> AlertChange | None:
        """The change that a decision asks for, as those who judge write it."""
        self.life = decision.life
        if decision.transition is Transition.NONE:
            return None
        is_new = self.alert_id is None and decision.transition in OPENING
        alert_id = self.alert_id or uuid7()
        self.alert_id = alert_id if decision.transition in OPENING else None
        is_opening = decision.transition in OPENING
        return AlertChange(
            alert_id,
            decision.transition,
            decision.reason,
            moment(at),
            decision.life.since or moment(at),
            subject=subject_of(self.number, rule_version=self.version) if is_opening else None,
            is_new=is_new,
            is_flapping=decision.life.is_flapping,
        )


class AlertMachine(AsyncMachine):
    """Whatever happens in whatever order: the rows are what the model says."""

    def __init__(self, database_url: str) -> None:
        super().__init__()
        self.database: Database = self.run(self._open(database_url))
        self.judged = [Judged(number) for number in range(MONITORS)]
        self.clock = 0
        self.written: list[AlertChange] = []
        self.held_back: list[tuple[Judged, AlertChange]] = []

    @staticmethod
    async def _open(database_url: str) -> Database:
        database = Database(create_engine(database_url, pool_size=2, name="alert machine"))
        tables = ", ".join(table.name for table in metadata.sorted_tables)
        async with database.transaction() as work:
            await work.run(f"truncate {tables} restart identity cascade")
        return database

    # Judging.

    @rule(number=MONITOR, verdict=VERDICTS, ahead=st.integers(min_value=0, max_value=4))
    def judge(self, number: int, verdict: str, ahead: int) -> None:
        self.clock += ahead
        self._judge(number, verdict, self.clock)

    @rule(number=MONITOR, verdict=VERDICTS, late=st.integers(min_value=1, max_value=6))
    def judge_late(self, number: int, verdict: str, late: int) -> None:
        """A sample of an earlier slot comes after a later one."""
        latest = self.judged[number].memory.latest
        if latest is not None:
            SEEN["late"] += 1
            self._judge(number, verdict, latest - late)

    @rule(number=MONITOR, verdicts=st.lists(VERDICTS, min_size=2, max_size=8))
    def judge_many_in_one_transaction(self, number: int, verdicts: list[str]) -> None:
        """As a round does that was held up."""
        for verdict in verdicts:
            self.clock += 1
            self._judge(number, verdict, self.clock, is_held_back=True)
        self._flush()

    @rule(number=MONITOR, timing=TIMINGS)
    def edit(self, number: int, timing: ModelTiming) -> None:
        self.judged[number].timing = timing
        self.judged[number].version += 1

    @rule(number=MONITOR, reason=ENDS)
    def end(self, number: int, reason: Reason) -> None:
        """The rule or the monitor is gone, or no longer fits."""
        one = self.judged[number]
        decision = end_alert(one.life, reason, at=moment(self.clock))
        assert decision.transition.value == one.memory.end(self.clock)
        self._write(one, decision, self.clock)

    # What goes wrong.

    @precondition(lambda self: self.written)
    @rule(latest=st.integers(min_value=1, max_value=6))
    def write_again(self, latest: int) -> None:
        """A transaction is tried again whose commit nobody heard of."""
        applied = self.run(self._apply(self.written[-latest:]))
        assert not applied.events
        SEEN["again"] += 1

    @rule(number=MONITOR)
    def forget(self, number: int) -> None:
        """What was remembered is lost; the alert is not."""
        one = self.judged[number]
        one.life, one.memory, one.alert_id = AlertLife(), ModelMemory(), None
        SEEN["forgotten while open"] += one.alerts.open is not None

    # People.

    @rule(number=MONITOR)
    def acknowledge(self, number: int) -> None:
        alert = self.judged[number].alerts.open
        if alert is not None:
            changed = self.run(self._acknowledge(alert.alert_id))
            assert changed == (not alert.is_acknowledged)
            alert.is_acknowledged = True
            SEEN["acknowledged"] += 1

    @rule(number=MONITOR)
    def unacknowledge(self, number: int) -> None:
        alert = self.judged[number].alerts.open
        if alert is not None:
            changed = self.run(self._unacknowledge(alert.alert_id))
            assert changed == alert.is_acknowledged
            alert.is_acknowledged = False

    # What has to hold.

    @invariant()
    def look(self) -> None:
        rows, histories = self.run(self._rows())
        self._are_what_the_model_says(rows, histories)
        self._are_lives(rows, histories)

    def _are_what_the_model_says(self, rows: list[Any], histories: dict[UUID, History]) -> None:
        expected = {alert.alert_id: alert for one in self.judged for alert in one.alerts.alerts}
        assert {row.alert_id for row in rows} == set(expected)
        for row in rows:
            alert = expected[row.alert_id]
            history = histories.get(row.alert_id, [])
            assert (row.state, row.is_acknowledged) == (alert.state, alert.is_acknowledged)
            assert history == alert.history
            assert minute_of(row.fired_at) == alert.moment("fire")
            assert minute_of(row.resolved_at) == (None if alert.is_open else history[-1][1])

    def _are_lives(self, rows: list[Any], histories: dict[UUID, History]) -> None:
        """Said without the model: what may never be, whatever the walk."""
        opened = Counter(row.fingerprint for row in rows if row.state in OPEN_STATES)
        assert all(count == 1 for count in opened.values())
        for row in rows:
            kinds = [kind for kind, _ in histories[row.alert_id]]
            moments = [at for _, at in histories[row.alert_id]]
            assert tuple(kinds) in LIVES
            assert moments == sorted(moments)
            assert kinds.count("resolve") == (row.fired_at is not None and row.state == "resolved")

    def teardown(self) -> None:
        """From wherever the walk has led, every alert ends when its monitor does."""
        try:
            SEEN.update(kind for one in self.judged for alert in one.alerts.alerts for kind, _ in alert.history)
            for number in range(MONITORS):
                self.judge(number, "met", 0)
                self.end(number, Reason.MONITOR_DELETED)
            self.look()
            assert all(one.alerts.open is None for one in self.judged)
        finally:
            self.run(self.database.close())
            self.runner.close()

    # How.

    def _judge(self, number: int, verdict: str, at: int, *, is_held_back: bool = False) -> None:
        one = self.judged[number]
        decision = decide_alert(one.life, Verdict(verdict), at=moment(at), timing=timing_of(one.timing))
        assert decision.transition.value == one.memory.judge(at, verdict, one.timing)
        SEEN["held"] += decision.reason is Reason.FLAPPING
        self._write(one, decision, at, is_held_back=is_held_back)

    def _write(self, one: Judged, decision: Decision, at: int, *, is_held_back: bool = False) -> None:
        change = one.change_of(decision, at)
        if change is not None:
            self.held_back.append((one, change))
        if not is_held_back:
            self._flush()

    def _flush(self) -> None:
        """Write what is held back in one transaction, and remember what it answers."""
        held_back, self.held_back = self.held_back, []
        if not held_back:
            return
        applied = self.run(self._apply([change for _, change in held_back]))
        told = 0
        for one, change in held_back:
            known = replace(change, alert_id=applied.adopted.get(change.alert_id, change.alert_id))
            told += one.alerts.write(known.alert_id, known.transition.value, (known.at - START) // MINUTE)
            self.written.append(known)
        assert len(applied.events) == told
        SEEN["adopted"] += len(applied.adopted)
        for one in self.judged:
            if one.alert_id is not None:
                one.alert_id = applied.adopted.get(one.alert_id, one.alert_id)

    async def _apply(self, changes: list[AlertChange]) -> Applied:
        async with self.database.transaction() as work:
            return await AlertStore(work).apply(changes)

    async def _acknowledge(self, alert_id: UUID) -> bool:
        async with self.database.transaction() as work:
            return bool(await AcknowledgementStore(work).acknowledge([alert_id], by="somebody", note=None))

    async def _unacknowledge(self, alert_id: UUID) -> bool:
        async with self.database.transaction() as work:
            return await AcknowledgementStore(work).unacknowledge(alert_id, by="somebody") is not None

    async def _rows(self) -> tuple[list[Any], dict[UUID, History]]:
        """All alerts, and their transitions with the minutes at which they were."""
        async with self.database.transaction() as work:
            rows = await work.fetch("select *, acknowledged_at is not null as is_acknowledged from alerts")
            events = await work.fetch(
                "select alert_id, kind, at from alert_events where kind not like '%acknowledged' order by event_id"
            )
        histories: dict[UUID, History] = {}
        for event in events:
            histories.setdefault(event.alert_id, []).append((event.kind, (event.at - START) // MINUTE))
        return list(rows), histories


@pytest.mark.timeout(3600)
def test_alerts_live_as_the_model_says(fresh_database_url: str) -> None:
    """Judge, judge late, edit, end, acknowledge, forget, write again: in any order, never two, never lost."""
    take_walks(lambda: AlertMachine(fresh_database_url), walks=EXAMPLES, steps=STEPS)
    wanted = {"pend", "fire", "clear", "resolve", "late", "again", "adopted", "forgotten while open", "held"}
    assert all(SEEN[each] for each in wanted | {"acknowledged"}), SEEN
