"""How a rule judges a monitor as samples and states come, moment by moment, in the monitor's own time; pure.

Whoever judges comes to the same transitions: each moment is judged by what was known of it, and what a moment that
has passed asks for (`due_at`) is judged as of then, be it by the sweep or by the next sample.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from shared.domain.alert.alert_changes import AlertChange
from shared.domain.alert.alerts import (
    AlertLife,
    AlertState,
    Decision,
    NoData,
    Reason,
    Transition,
    Verdict,
    decide_alert,
    end_alert,
)
from shared.domain.judging.condition_programs import absent_at
from shared.domain.judging.evaluation import Judged, Scene, evaluate
from shared.domain.judging.evidence import evidence_of
from shared.domain.judging.judgements import (
    CompiledRule,
    JudgedMonitor,
    Judgement,
    MonitorNews,
    NewSample,
)
from shared.domain.judging.moments import moments_of
from shared.domain.judging.window_codec import Windows
from shared.domain.judging.windows import PARTS
from shared.domain.monitor.standing import NO_CAUSE, Cause, MonitorState, StateChange
from shared.domain.sample.sample_columns import microseconds_of, moment_at
from shared.domain.target.outcome import OUTCOME_CODES

NewId = Callable[[], UUID]
"""Makes the id of an alert, a UUIDv7."""

MAX_DUE = 100
"""How many moments that have passed are judged in a row; far more than a rule's own times can ask for."""


@dataclass(slots=True)
class PairJudging:
    """A rule on a monitor while it is judged. `windows` hold the samples up to the moment it has come to."""

    rule: CompiledRule
    monitor: JudgedMonitor
    kept: Judgement
    windows: Windows
    state: MonitorState
    new_id: NewId
    cause: Cause = NO_CAUSE
    changes: list[AlertChange] = field(default_factory=list)
    life: AlertLife = field(init=False)
    verdict: Verdict = field(init=False)
    alert_id: UUID | None = field(init=False)
    due_at: datetime | None = field(init=False)
    latched: int = field(init=False)

    def __post_init__(self) -> None:
        kept = self.kept
        self.life, self.verdict, self.alert_id = kept.life, kept.verdict, kept.alert_id
        self.due_at, self.latched = kept.due_at, kept.latched

    def take(self, news: MonitorNews) -> None:
        """Judge what is new, in the order of its moments; a sample behind the latest moment judges nothing."""
        judged_at = self.life.judged_at
        for sample in news.samples:
            if judged_at is not None and sample.at < judged_at:
                self._add(sample)
        for at, samples, change in moments_of(news, judged_at, is_of_state=self.rule.program.is_of_state):
            self.judge_due(before=at)
            for sample in samples:
                self._add(sample)
            if change is not None:
                self._enter(change, at)
            self.judge(at)

    def judge_due(self, *, before: datetime) -> None:
        """Judge the moments that were due, each as of then, with what was known by then."""
        for _ in range(MAX_DUE):
            due_at = self.due_at
            if due_at is None or due_at >= before:
                return
            self.judge(due_at)

    def judge(self, at: datetime) -> None:
        """Judge a moment; its samples are in the windows."""
        scene = Scene(self.windows, self.state, self.monitor.schedule, at, self.kept.filled_from, self.cause)
        judged = evaluate(self.rule.program, scene, latched=self.latched)
        life = self.life
        if self._was_met_until_now() and life.judged_at is not None and at >= life.judged_at:
            life = replace(life, last_met_at=at)
        decision = decide_alert(life, judged.verdict, at=at, timing=self.rule.timing)
        self._note(decision, judged, scene)
        self.life, self.verdict, self.latched = decision.life, judged.verdict, judged.latched
        self.due_at = self._next_due(decision, at)

    def end(self, reason: Reason, at: datetime) -> None:
        """End what is open, and begin anew."""
        decision = end_alert(self.life, reason, at=at)
        if decision.transition is not Transition.NONE and self.alert_id is not None:
            since = self.life.since or at
            self.changes.append(AlertChange(self.alert_id, decision.transition, reason, at, since))
        self.life, self.alert_id, self.due_at, self.latched = AlertLife(), None, None, 0

    def done(self) -> Judgement:
        """What is to be remembered of it."""
        program, kept = self.rule.program, self.kept
        past = b"" if program.is_of_state else self.windows.encode_past()
        return Judgement(
            self.kept.rule_id,
            self.kept.monitor_id,
            self.rule.rule.version,
            self.monitor.version,
            self.life,
            self.verdict,
            self.alert_id,
            self.due_at,
            self.kept.filled_from,
            self.latched,
            b"" if program.is_of_state else self.windows.encode(program.shape),
            past,
            kept.is_past_new or past != kept.past,
        )

    def _was_met_until_now(self) -> bool:
        """Between two changes of its state nothing changes for a rule that asks for nothing else."""
        is_met = self.verdict is Verdict.MET and self.life.state is AlertState.FIRING
        return is_met and self.rule.program.is_of_state

    def _note(self, decision: Decision, judged: Judged, scene: Scene) -> None:
        """Note the transition, if there is one, and the alert that is open afterwards."""
        if decision.transition is Transition.NONE:
            return
        is_new = self.alert_id is None
        alert_id = self.alert_id or self.new_id()
        begins = decision.transition in {Transition.PEND, Transition.FIRE}
        since = decision.life.since if begins else self.life.since
        change = AlertChange(
            alert_id=alert_id,
            transition=decision.transition,
            reason=decision.reason,
            at=scene.at,
            since=since or scene.at,
            subject=self.rule.subject(self.monitor) if begins else None,
            is_new=is_new,
            is_flapping=decision.life.is_flapping,
            evidence=evidence_of(judged, scene),
        )
        self.changes.append(change)
        self.alert_id = alert_id if begins else None

    def _next_due(self, decision: Decision, at: datetime) -> datetime | None:
        """When it has to be judged though nothing comes.

        An earlier moment that was asked for before stays, though nothing may happen then: the row's index need not be
        touched with each sample.
        """
        asked = [moment for moment in self._asked(decision) if moment > at]
        if not asked:
            return None
        due_at, kept = min(asked), self.due_at
        return kept if kept is not None and at < kept < due_at else due_at

    def _asked(self, decision: Decision) -> Iterator[datetime]:
        if decision.due_at is not None:
            yield decision.due_at
        program = self.rule.program
        heard = moment_at(self.windows.heard_ms * 1000)
        for absent in program.absences:
            yield absent_at(absent, self.monitor.schedule, heard)
        if self.rule.timing.no_data is not NoData.KEEP and self.windows.newest_ms is not None:
            for spec in program.shape.specs:
                if spec.window is not None:
                    yield moment_at((self.windows.newest_ms // spec.part_ms + PARTS) * spec.part_ms * 1000)

    def _enter(self, change: StateChange, at: datetime) -> None:
        if change.state is MonitorState.PENDING:
            # It goes on after a pause: samples are awaited from here on.
            self.windows.awaited_ms = max(self.windows.awaited_ms, microseconds_of(at) // 1000)
        self.state, self.cause = change.state, change.cause

    def _add(self, sample: NewSample) -> None:
        windows, reading = self.windows, sample.reading
        outcome = OUTCOME_CODES[reading.outcome]
        if windows.newest_ms is None or sample.at_ms > windows.newest_ms:
            windows.newest_ms = sample.at_ms
        for ring in windows.rings:
            metric = ring.spec.metric
            value = reading.duration_ms if metric == "duration_ms" else reading.metrics.get(metric or "")
            ring.add(sample.at_ms, outcome, value if value is not None and math.isfinite(value) else None)
