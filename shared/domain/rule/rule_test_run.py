"""Runs tests of rules: what monitors measured is judged as live, and held to what is expected; pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import UUID

import numpy as np

from shared.domain.alert.alert_changes import AlertChange
from shared.domain.alert.alerts import Transition
from shared.domain.judging.backtest import History, judge_history
from shared.domain.judging.judgements import CompiledRule, JudgedMonitor
from shared.domain.judging.window_filling import place_of
from shared.domain.monitor.schedules import Schedule
from shared.domain.monitor.standing import Look, MonitorState, Standing, StateChange, fold, patience_of
from shared.domain.rule.rule_documents import RuleDocument
from shared.domain.rule.rule_series import combine, read_series
from shared.domain.rule.rule_tests import ExpectedAlert, RuleTest, TestedMonitor
from shared.domain.rule.rules import Rule
from shared.domain.sample.sample_columns import EMPTY, SampleColumns, microseconds_of, moment_at
from shared.domain.target.outcome import OUTCOME_CODES, OUTCOME_OF_CODE

START = datetime(2026, 1, 1, tzinfo=UTC)
"""When all tests begin."""
_NEXT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class OpenAlert:
    """An alert that is open at a moment."""

    rule: str
    group: str
    monitor: str
    state: str
    labels: Mapping[str, str]

    def is_as(self, expected: ExpectedAlert) -> bool:
        """Whether it is what is expected."""
        named = (self.rule, self.group, self.monitor, self.state)
        is_named = named == (expected.rule, expected.group, expected.monitor, expected.state)
        return is_named and expected.labels.items() <= self.labels.items()


@dataclass(frozen=True, slots=True)
class Miss:
    """An expectation of a test, by its place in it, that does not hold: what is missing, and what is there instead."""

    place: int
    at: timedelta
    missing: Sequence[ExpectedAlert]
    unexpected: Sequence[OpenAlert]


def run_test(rules: Sequence[RuleDocument], test: RuleTest) -> list[Miss]:
    """Hold a test to the rules; nothing is answered where all is as expected."""
    end = START + max(expectation.at for expectation in test.expect) + _NEXT
    lives = [
        (rule, monitor, tested, _changes(rule, monitor, tested, test.interval, end))
        for tested, monitor in zip(test.monitors, _monitors(test), strict=True)
        for rule in map(_compiled, rules)
        if rule.rule.spec.enabled and rule.selects(monitor)
    ]
    misses = []
    for place, expectation in enumerate(test.expect):
        there = [
            OpenAlert(rule.rule.spec.name, tested.group, tested.name, state, rule.subject(monitor).labels)
            for rule, monitor, tested, changes in lives
            if (state := _state_at(changes, START + expectation.at)) is not None
        ]
        missing = [each for each in expectation.alerts if not any(alert.is_as(each) for alert in there)]
        unexpected = [alert for alert in there if not any(alert.is_as(each) for each in expectation.alerts)]
        if missing or unexpected:
            misses.append(Miss(place, expectation.at, missing, unexpected))
    return misses


def _compiled(document: RuleDocument) -> CompiledRule:
    return CompiledRule.of(Rule(UUID(int=0), 1, document.spec, None, START, START, "test"))


def _monitors(test: RuleTest) -> Iterator[JudgedMonitor]:
    schedule = Schedule(interval=test.interval)
    for number, tested in enumerate(test.monitors, start=1):
        yield JudgedMonitor(
            UUID(int=number), 1, tested.name, tested.group, tested.kind, tested.labels, schedule, number,
            is_paused=False,
        )  # fmt: skip


def _changes(
    rule: CompiledRule, monitor: JudgedMonitor, tested: TestedMonitor, interval: timedelta, end: datetime
) -> list[AlertChange]:
    samples = _samples(tested, interval).between(START, end)
    states = _derived(samples, interval, end) if tested.states is None else _given(tested)
    numbers = count(1)
    history = History(START, end, START, samples, states)
    return judge_history(rule, monitor, history, new_id=lambda: UUID(int=next(numbers)))


def _state_at(changes: Sequence[AlertChange], at: datetime) -> str | None:
    last = next((change for change in reversed(changes) if change.at <= at), None)
    match None if last is None else last.transition:
        case Transition.PEND:
            return "pending"
        case Transition.FIRE:
            return "firing"
    return None


def _samples(tested: TestedMonitor, interval: timedelta) -> SampleColumns:
    if not tested.values:
        return EMPTY
    slots = combine([read_series(text) for text in tested.values.values()])
    there = [(microseconds_of(START + place * interval), slot) for place, slot in enumerate(slots) if slot is not None]
    values = {
        place_of(metric, tested.kind): np.array(
            [np.nan if slot[1][column] is None else slot[1][column] for _, slot in there], dtype=np.float64
        )
        for column, metric in enumerate(tested.values)
    }
    return SampleColumns(
        np.array([moment for moment, _ in there], dtype=np.int64),
        np.array([OUTCOME_CODES[slot[0]] for _, slot in there], dtype=np.uint8),
        values,
    )


def _given(tested: TestedMonitor) -> list[StateChange]:
    states = sorted((tested.states or {}).items())
    return [StateChange(START + since, MonitorState(state)) for since, state in states]


def _derived(samples: SampleColumns, interval: timedelta, end: datetime) -> list[StateChange]:
    """The states that follow from the outcomes of a monitor without confirmations, and from silence."""
    standing = Standing(MonitorState.PENDING, START)
    changes = [StateChange(START, MonitorState.PENDING)]
    for moment, outcome in zip(samples.moments.tolist(), samples.outcomes.tolist(), strict=True):
        at = moment_at(moment)
        folded = fold(standing, Look(at, OUTCOME_OF_CODE[outcome], covers_until=at + interval), confirmations=0)
        standing = folded.standing
        changes += folded.changes
    silent_from = standing.covered_until
    if silent_from is not None and silent_from + patience_of(interval) < end and standing.state.is_judged:
        changes.append(StateChange(silent_from, MonitorState.NO_DATA))
    return changes
