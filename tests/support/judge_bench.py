"""Rules and monitors for judging without a database: one pair, its samples and states, and what came of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import UUID

from shared.domain.alert.alert_changes import AlertChange
from shared.domain.alert.alerts import Transition
from shared.domain.judging.judgements import (
    CompiledRule,
    JudgedMonitor,
    Judgement,
    MonitorNews,
    NewSample,
    Stands,
)
from shared.domain.judging.judging import judge_due, judge_news
from shared.domain.monitor.schedules import Schedule
from shared.domain.monitor.standing import NO_CAUSE, Cause, MonitorState, StateChange
from shared.domain.rule.expressions import parse_expression
from shared.domain.rule.rules import Rule, RuleSpec
from shared.domain.target.outcome import Outcome, Reading

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
RULE_ID = UUID(int=1)
MONITOR_ID = UUID(int=2)


def compiled_rule(expression: str, **fields: object) -> CompiledRule:
    """A rule that judges everything by an expression."""
    spec = RuleSpec.model_validate({"name": "rule", "condition": parse_expression(expression), **fields})
    return CompiledRule.of(Rule(RULE_ID, 1, spec, None, START, START, "tests"))


def judged_monitor(interval: timedelta = 10 * SECOND) -> JudgedMonitor:
    """A monitor of files."""
    schedule = Schedule(interval=interval)
    return JudgedMonitor(MONITOR_ID, 1, "m", "tests", "file", {}, schedule, 1, is_paused=False)


def sample_at(at: datetime, value: float, outcome: Outcome = Outcome.UP) -> NewSample:
    """A sample whose duration is `value` milliseconds."""
    return NewSample(at, int(at.timestamp() * 1000), Reading(outcome, value, at))


@dataclass
class JudgeBench:
    """A rule on a monitor, judged as its news come; `changes` is what came of it."""

    rule: CompiledRule
    monitor: JudgedMonitor = field(default_factory=judged_monitor)
    state: MonitorState = MonitorState.PENDING
    cause: Cause = NO_CAUSE
    kept: Judgement | None = None
    changes: list[AlertChange] = field(default_factory=list)
    ids: count = field(default_factory=lambda: count(100))  # type: ignore[type-arg]

    def new_id(self) -> UUID:
        """The next alert's id."""
        return UUID(int=next(self.ids))

    def take(
        self,
        samples: Sequence[NewSample] = (),
        changes: Sequence[StateChange] = (),
        *,
        at: datetime | None = None,
        is_first: bool | None = None,
    ) -> None:
        """Take what one transaction wrote."""
        moments = [*(sample.at for sample in samples), *(change.at for change in changes)]
        news = MonitorNews(
            MONITOR_ID,
            1,
            self.state,
            at or max(moments),
            samples,
            changes,
            is_first=self.kept is None if is_first is None else is_first,
            cause=self.cause,
        )
        self._note(judge_news(self.rule, self.monitor, self.kept, news, new_id=self.new_id))
        if changes:
            self.state, self.cause = changes[-1].state, changes[-1].cause

    def sweep(self, now: datetime) -> None:
        """Judge what was due before a moment."""
        if self.kept is not None and self.kept.due_at is not None and self.kept.due_at < now:
            stands = Stands(now, self.state, START, cause=self.cause)
            self._note(judge_due(self.rule, self.monitor, self.kept, stands, new_id=self.new_id))

    def steps(self) -> list[tuple[Transition, float]]:
        """The transitions, and how many seconds after the start they were."""
        return [(change.transition, (change.at - START).total_seconds()) for change in self.changes]

    def _note(self, judged: object) -> None:
        self.kept = judged.judgement or self.kept  # type: ignore[attr-defined]
        self.changes += judged.changes  # type: ignore[attr-defined]
