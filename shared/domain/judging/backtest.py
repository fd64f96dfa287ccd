"""What a rule would have made of a monitor's history: judged by the same steps as live, sample by sample; pure."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from shared.domain.alert.alert_changes import AlertChange
from shared.domain.alert.alerts import AlertLife, AlertState, Reason, Transition
from shared.domain.judging.condition_programs import absent_at
from shared.domain.judging.judgements import CompiledRule, JudgedMonitor, Judgement, MonitorNews, NewSample
from shared.domain.judging.pair_judging import NewId, PairJudging
from shared.domain.judging.window_codec import Windows
from shared.domain.judging.window_filling import add_samples, first_of, place_of
from shared.domain.monitor.standing import MonitorState, StateChange
from shared.domain.sample.sample_columns import SampleColumns, microseconds_of, moment_at
from shared.domain.target.outcome import OUTCOME_OF_CODE, Reading

LEAST_WARM_UP = timedelta(hours=1)
JUDGED_AT_ONCE = 500
"""After so many samples, some tens of milliseconds, whoever asked may break it off."""


def _go_on() -> None:
    """Nobody breaks it off."""


@dataclass(frozen=True, slots=True)
class History:
    """What is known of a monitor from `start` to `end`; samples and states also from some time before, to begin with.

    `known_from` is from when on samples would be there if the monitor had any. `changes` are in their order.
    """

    start: datetime
    end: datetime
    known_from: datetime
    samples: SampleColumns
    changes: Sequence[StateChange]


@dataclass(frozen=True, slots=True)
class PastAlert:
    """An alert that there would have been; `ended_at` is None where it was open at the end of the history.

    `evidence` are the numbers by which it fired, or began where it never did.
    """

    started_at: datetime
    fired_at: datetime | None
    ended_at: datetime | None
    reason: Reason
    is_flapping: bool
    evidence: Mapping[str, Any]

    @property
    def state(self) -> AlertState:
        """Where it stood in the end."""
        if self.ended_at is not None:
            return AlertState.RESOLVED
        return AlertState.PENDING if self.fired_at is None else AlertState.FIRING

    def fired_for(self, end: datetime) -> timedelta:
        """How long it fired until `end`."""
        return timedelta(0) if self.fired_at is None else (self.ended_at or end) - self.fired_at


def warm_up_of(rule: CompiledRule, monitor: JudgedMonitor, start: datetime) -> timedelta:
    """How much before the start has to be known: the longest window or absence, and a tenth more."""
    absences = [absent_at(absent, monitor.schedule, start) - start for absent in rule.program.absences]
    longest = max(absences, default=timedelta(0))
    return max(LEAST_WARM_UP, (rule.program.longest or LEAST_WARM_UP) * 1.1, longest * 1.1)


def places_of(rule: CompiledRule, kind: str) -> list[int]:
    """Which of the values that samples of a kind have the rule looks at, as `SampleColumns` counts."""
    metrics = {spec.metric for spec in rule.program.shape.specs if spec.metric is not None}
    return sorted({place_of(metric, kind) for metric in metrics}) or [0]


def judge_history(
    rule: CompiledRule,
    monitor: JudgedMonitor,
    history: History,
    *,
    new_id: NewId,
    between: Callable[[], None] = _go_on,
) -> list[AlertChange]:
    """All that the rule would have made of the monitor, as if it had been made at the start.

    A pause ends what is open, and what follows begins anew. `between` is called again and again; what it raises breaks
    the judging off.
    """
    windows, filled_from = _windows_before(rule, monitor, history)
    begun = Judgement(
        rule.rule_id, monitor.monitor_id, rule.rule.version, monitor.version, AlertLife(), filled_from=filled_from
    )
    judging = PairJudging(rule, monitor, begun, windows, MonitorState.PENDING, new_id)
    for stretch in _stretches(history):
        if stretch.begun.state is MonitorState.PAUSED:
            continue
        judging.state, judging.cause = stretch.begun.state, stretch.begun.cause
        if stretch.begun.state is MonitorState.PENDING:
            # Samples are awaited from here on, not since the last one before a pause.
            windows.awaited_ms = max(windows.awaited_ms, microseconds_of(stretch.begun.at) // 1000)
        _judge_stretch(judging, stretch, history, between)
        if stretch.is_pause_next:
            judging.end(Reason.MONITOR_PAUSED, stretch.end)
    return judging.changes


def alerts_of(changes: Sequence[AlertChange]) -> list[PastAlert]:
    """The alerts that the changes of one monitor tell of, the oldest first."""
    alerts: list[PastAlert] = []
    for change in changes:
        match change.transition:
            case Transition.PEND:
                alerts.append(_past(change))
            case Transition.FIRE if change.is_new:
                alerts.append(replace(_past(change), fired_at=change.at))
            case Transition.FIRE:
                alerts[-1] = replace(_past(change), fired_at=change.at)
            case Transition.CLEAR | Transition.RESOLVE:
                alerts[-1] = replace(alerts[-1], ended_at=change.at, reason=change.reason)
    return alerts


def _past(change: AlertChange) -> PastAlert:
    return PastAlert(change.since, None, None, change.reason, change.is_flapping, change.evidence)


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A time between two pauses, or a pause; `begun` is how the monitor stood when it began."""

    start: datetime
    end: datetime
    begun: StateChange
    changes: tuple[StateChange, ...]
    is_pause_next: bool


def _windows_before(rule: CompiledRule, monitor: JudgedMonitor, history: History) -> tuple[Windows, datetime]:
    """The windows at the start, and from when on samples are in them."""
    windows = Windows.empty(rule.program.shape, awaited_ms=microseconds_of(history.known_from) // 1000)
    before = history.samples.between(history.known_from, history.start)
    add_samples(windows, monitor.kind, before)
    return windows, first_of(before) or history.start


def _judge_stretch(judging: PairJudging, stretch: _Stretch, history: History, between: Callable[[], None]) -> None:
    judging.judge(stretch.start)
    for news in _news_of(judging, stretch, history):
        between()
        judging.take(news)
    judging.judge_due(before=stretch.end)


def _news_of(judging: PairJudging, stretch: _Stretch, history: History) -> Iterator[MonitorNews]:
    """The samples and changes of a stretch in their order, some hundreds of samples at once."""
    samples = history.samples.between(stretch.start, stretch.end)
    cuts = [moment_at(moment) for moment in samples.moments[JUDGED_AT_ONCE::JUDGED_AT_ONCE].tolist()]
    for start, end in pairwise([stretch.start, *cuts, stretch.end]):
        yield MonitorNews(
            judging.monitor.monitor_id,
            None,
            stretch.begun.state,
            end,
            list(_new_samples(judging, samples.between(start, end))),
            [change for change in stretch.changes if start <= change.at < end],
        )


def _stretches(history: History) -> Iterator[_Stretch]:
    start, begun = history.start, StateChange(history.known_from, MonitorState.PENDING)
    within: list[StateChange] = []
    for change in history.changes:
        if change.at >= history.end:
            break
        if change.at <= start and not within:
            # Before anything is judged only the latest state counts.
            begun = change
        elif MonitorState.PAUSED in {begun.state, change.state}:
            yield _Stretch(start, change.at, begun, tuple(within), change.state is MonitorState.PAUSED)
            start, begun, within = change.at, change, []
        else:
            within.append(change)
    yield _Stretch(start, history.end, begun, tuple(within), is_pause_next=False)


def _new_samples(judging: PairJudging, samples: SampleColumns) -> Iterator[NewSample]:
    """The samples as a transaction would have brought them, with the metrics that the rule looks at."""
    specs = judging.rule.program.shape.specs
    metrics = sorted({spec.metric for spec in specs if spec.metric not in {None, "duration_ms"}} - {None})
    columns = [(name, samples.values_at(place_of(name, judging.monitor.kind)).tolist()) for name in metrics if name]
    durations = samples.values_at(0).tolist()
    outcomes = samples.outcomes.tolist()
    for index, moment in enumerate(samples.moments.tolist()):
        at = moment_at(moment)
        values = {name: column[index] for name, column in columns if not math.isnan(column[index])}
        reading = Reading(OUTCOME_OF_CODE[outcomes[index]], durations[index], at, values)
        yield NewSample(at, moment // 1000, reading)
