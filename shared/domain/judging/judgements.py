"""What judging works on: rules made ready, monitors as rules see them, what is remembered, and what is new; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from shared.domain.alert.alert_changes import AlertChange, AlertSource, AlertSubject, fingerprint_of_rule
from shared.domain.alert.alerts import AlertLife, Timing, Verdict
from shared.domain.judging.condition_compiling import compile_condition
from shared.domain.judging.condition_programs import Program
from shared.domain.matchers import Matchers, labels_of_monitor
from shared.domain.monitor.schedules import Schedule
from shared.domain.monitor.standing import NO_CAUSE, Cause, MonitorState, StateChange, patience_of
from shared.domain.rule.condition_checks import kinds_judged
from shared.domain.rule.rules import Rule
from shared.domain.target.outcome import Reading


@dataclass(frozen=True, slots=True)
class JudgedMonitor:
    """A monitor as rules see it; `labels` are its own."""

    monitor_id: UUID
    version: int
    name: str
    group: str
    kind: str
    labels: Mapping[str, str]
    schedule: Schedule
    series_id: int
    is_paused: bool


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule made ready to judge."""

    rule: Rule
    program: Program
    timing: Timing
    selector: Matchers
    kinds: frozenset[str]

    @staticmethod
    def of(rule: Rule) -> "CompiledRule":
        """Make a rule ready."""
        condition = rule.spec.condition
        return CompiledRule(
            rule, compile_condition(condition), rule.spec.timing, rule.selector, kinds_judged(condition)
        )

    @property
    def rule_id(self) -> UUID:
        """The rule's id."""
        return self.rule.rule_id

    def selects(self, monitor: JudgedMonitor) -> bool:
        """Whether it judges a monitor: its labels match, and it has the metrics."""
        if monitor.kind not in self.kinds:
            return False
        return self.selector.matches(labels_of_monitor(monitor.name, monitor.group, monitor.kind, monitor.labels))

    def judges(self, monitor: JudgedMonitor) -> bool:
        """Whether it judges a monitor now."""
        return not monitor.is_paused and self.selects(monitor)

    def is_waiting(self, judgement: "Judgement") -> bool:
        """Whether its windows are to be filled before it can judge."""
        return bool(self.program.shape.specs) and judgement.filled_from is None

    def subject(self, monitor: JudgedMonitor) -> AlertSubject:
        """What its alert on a monitor is about."""
        spec = self.rule.spec
        return AlertSubject(
            source=AlertSource.RULE,
            fingerprint=fingerprint_of_rule(self.rule_id, monitor.monitor_id),
            name=spec.name,
            severity=spec.severity,
            labels=self.rule.alert_labels(monitor.name, monitor.group, monitor.kind, monitor.labels),
            annotations=spec.annotations,
            channels=spec.channels,
            escalation=spec.escalation,
            rule_id=self.rule_id,
            rule_version=self.rule.version,
            monitor_id=monitor.monitor_id,
        )


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a rule makes of a monitor, remembered between two moments; a row of `judgements`.

    `filled_from` is from when on the monitor's samples are in `windows`; None where they are yet to be filled. `past`
    is that part of them which few samples change (`Windows.encode_past`); with `is_past_new` it is to be written.
    """

    rule_id: UUID
    monitor_id: UUID
    rule_version: int
    monitor_version: int
    life: AlertLife
    verdict: Verdict = Verdict.UNKNOWN
    alert_id: UUID | None = None
    due_at: datetime | None = None
    filled_from: datetime | None = None
    latched: int = 0
    windows: bytes = b""
    past: bytes = b""
    is_past_new: bool = False

    @property
    def judged_at(self) -> datetime | None:
        """The latest moment that was judged."""
        return self.life.judged_at


class NewSample(NamedTuple):
    """A sample that was written in this transaction, its slot also in milliseconds since 1970."""

    at: datetime
    at_ms: int
    reading: Reading


@dataclass(frozen=True, slots=True)
class MonitorNews:
    """What a transaction wrote of a monitor, whose state it holds locked.

    The monitor is of this `version` or a later one; None: it is to be read anew. `at` is when its latest look was due,
    `before` how it stood before all `changes`, and `cause` why; those and the `samples` are in the order of their
    moments. With `is_first` it has no sample but these.
    """

    monitor_id: UUID
    version: int | None
    before: MonitorState
    at: datetime
    samples: Sequence[NewSample] = ()
    changes: Sequence[StateChange] = ()
    is_first: bool = False
    cause: Cause = NO_CAUSE


@dataclass(frozen=True, slots=True)
class Stands:
    """How a monitor stands at a moment and why, its state locked; `sampled_at` is its newest sample's slot.

    What is known of it holds up to the slot `covered_until`.
    """

    now: datetime
    state: MonitorState
    since: datetime
    sampled_at: datetime | None = None
    cause: Cause = NO_CAUSE
    covered_until: datetime | None = None

    def known_until(self, monitor: JudgedMonitor) -> datetime:
        """Until when time may be believed to have passed for a monitor: now, or where the looks at it stay away.

        That these stay away is written down as `no_data` in a while; of heartbeats it is found out otherwise.
        """
        until = self.covered_until
        if until is None or monitor.kind == "heartbeat" or not self.state.is_judged:
            return self.now
        return until if self.now >= until + patience_of(monitor.schedule.interval) else self.now

    def looked_until(self, monitor: JudgedMonitor) -> datetime:
        """Until when no look that is still under way can tell otherwise: now, or the slot that waits for its look."""
        until = self.covered_until
        if until is None or monitor.kind == "heartbeat" or not self.state.is_judged:
            return self.now
        return min(until, self.now)

    @property
    def heard_at(self) -> datetime:
        """Since when no sample has come; of one that goes on after a pause, since it does."""
        if self.sampled_at is None or self.state is MonitorState.PENDING:
            return self.since
        return self.sampled_at


@dataclass(frozen=True, slots=True)
class JudgedPair:
    """What has become of a rule on a monitor; `judgement` is None where there is nothing to be remembered."""

    judgement: Judgement | None
    changes: Sequence[AlertChange] = field(default_factory=tuple)
