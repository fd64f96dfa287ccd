"""The life of an alert: what a verdict on a rule's condition makes of it, decided here and nowhere else; pure."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum


class AlertState(StrEnum):
    """Where an alert stands; the words of Prometheus, which also has *inactive*: here there is then no alert."""

    PENDING = "pending"
    """The condition is met, but not yet for long enough; nobody is told."""
    FIRING = "firing"
    RESOLVED = "resolved"


OPEN_STATES = frozenset({AlertState.PENDING, AlertState.FIRING})


class Severity(StrEnum):
    """How much an alert matters, the least first."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Verdict(StrEnum):
    """What a rule's condition says at a moment."""

    MET = "met"
    NOT_MET = "not_met"
    UNKNOWN = "unknown"
    """There is nothing to judge by: no sample in the window, a monitor that nothing is known of."""


class NoData(StrEnum):
    """What follows where there is nothing to judge by; the choices of Grafana."""

    KEEP = "keep"
    """Everything stays as it is."""
    OK = "ok"
    """As if the condition were not met."""
    FIRING = "firing"
    """As if it were met."""


class Transition(StrEnum):
    """What a decision does."""

    NONE = "none"
    PEND = "pend"
    FIRE = "fire"
    CLEAR = "clear"
    """It ends without having fired; nobody is told."""
    RESOLVE = "resolve"


class Reason(StrEnum):
    """Why."""

    MET = "met"
    MET_LONG_ENOUGH = "met_long_enough"
    NOT_YET_LONG_ENOUGH = "not_yet_long_enough"
    STILL_MET = "still_met"
    NOT_MET = "not_met"
    KEPT_FIRING = "kept_firing"
    """By the rule's `keep_firing_for`."""
    FLAPPING = "flapping"
    """It fired too often of late, and is kept firing until it has been quiet for a while."""
    NO_DATA = "no_data"
    OVERTAKEN = "overtaken"
    """A later moment has been judged already."""
    RULE_DELETED = "rule_deleted"
    RULE_DISABLED = "rule_disabled"
    MONITOR_DELETED = "monitor_deleted"
    MONITOR_PAUSED = "monitor_paused"
    DESELECTED = "deselected"
    """The rule no longer selects the monitor."""
    SENT_RESOLVED = "sent_resolved"
    """Whoever sent an alert in said that it is over."""
    EXPIRED = "expired"
    """Whoever sent an alert in has not repeated it in time."""


@dataclass(frozen=True, slots=True)
class Flapping:
    """As many as `fires` within a time mean flapping; then it resolves only after being quiet for `hold`."""

    fires: int = 3
    within: timedelta = timedelta(minutes=15)
    hold: timedelta = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a condition has to be met, and what keeps an alert firing; the words of Prometheus."""

    for_: timedelta = timedelta(0)
    keep_firing_for: timedelta = timedelta(0)
    no_data: NoData = NoData.KEEP
    flapping: Flapping | None = Flapping()


MAX_FIRES = 20
"""How many of the latest moments at which it fired are remembered."""


@dataclass(frozen=True, slots=True)
class AlertLife:
    """What is remembered of a rule on a monitor between two judgements; `state` is None while there is no alert.

    `since` is when the condition was first met, `last_met_at` when it was last. `fires` are the latest moments at which
    it fired, the oldest first.
    """

    state: AlertState | None = None
    since: datetime | None = None
    last_met_at: datetime | None = None
    judged_at: datetime | None = None
    is_flapping: bool = False
    fires: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done and why, what is remembered, and when to judge again though nothing comes."""

    transition: Transition
    reason: Reason
    life: AlertLife
    due_at: datetime | None = None


def decide_alert(life: AlertLife, verdict: Verdict, *, at: datetime, timing: Timing) -> Decision:
    """Decide what a verdict at a moment makes of an alert.

    A moment before the latest one judged changes nothing. Without data the rule's policy decides; by `keep` neither the
    time that the condition has to be met, nor that for which an alert is kept firing, is believed to have passed.
    """
    if life.judged_at is not None and at < life.judged_at:
        return Decision(Transition.NONE, Reason.OVERTAKEN, life)
    life = replace(life, judged_at=at)
    is_unknown = verdict is Verdict.UNKNOWN
    if is_unknown:
        if timing.no_data is NoData.KEEP:
            return Decision(Transition.NONE, Reason.NO_DATA, life)
        verdict = Verdict.MET if timing.no_data is NoData.FIRING else Verdict.NOT_MET
    decision = _met(life, at, timing) if verdict is Verdict.MET else _not_met(life, at, timing)
    if is_unknown and decision.transition is not Transition.NONE:
        return replace(decision, reason=Reason.NO_DATA)
    return decision


def end_alert(life: AlertLife, reason: Reason, *, at: datetime) -> Decision:
    """Decide what becomes of an alert whose rule or monitor is no longer there: it ends, whatever holds it."""
    ended = AlertLife(judged_at=at, fires=life.fires)
    match life.state:
        case AlertState.FIRING:
            return Decision(Transition.RESOLVE, reason, ended)
        case AlertState.PENDING:
            return Decision(Transition.CLEAR, reason, ended)
    return Decision(Transition.NONE, reason, ended)


def _met(life: AlertLife, at: datetime, timing: Timing) -> Decision:
    if life.state is AlertState.FIRING:
        return Decision(Transition.NONE, Reason.STILL_MET, replace(life, last_met_at=at))
    since = life.since if life.state is AlertState.PENDING and life.since is not None else at
    met = replace(life, since=since, last_met_at=at)
    if at - since >= timing.for_:
        reason = Reason.MET_LONG_ENOUGH if timing.for_ else Reason.MET
        return Decision(Transition.FIRE, reason, _fired(met, at, timing.flapping))
    transition = Transition.NONE if life.state is AlertState.PENDING else Transition.PEND
    pending = replace(met, state=AlertState.PENDING)
    return Decision(transition, Reason.NOT_YET_LONG_ENOUGH, pending, due_at=since + timing.for_)


def _fired(life: AlertLife, at: datetime, flapping: Flapping | None) -> AlertLife:
    recent = (*life.fires, at)[-MAX_FIRES:]
    if flapping is None:
        return replace(life, state=AlertState.FIRING, fires=recent)
    recent = tuple(fired for fired in recent if fired > at - flapping.within)
    return replace(life, state=AlertState.FIRING, fires=recent, is_flapping=len(recent) >= flapping.fires)


def _not_met(life: AlertLife, at: datetime, timing: Timing) -> Decision:
    rest = AlertLife(judged_at=at, fires=life.fires)
    if life.state is AlertState.PENDING:
        return Decision(Transition.CLEAR, Reason.NOT_MET, rest)
    if life.state is None:
        return Decision(Transition.NONE, Reason.NOT_MET, rest)
    held, reason = timing.keep_firing_for, Reason.KEPT_FIRING
    if life.is_flapping and timing.flapping is not None and timing.flapping.hold > held:
        held, reason = timing.flapping.hold, Reason.FLAPPING
    until = (life.last_met_at or at) + held
    if at < until:
        return Decision(Transition.NONE, reason, life, due_at=until)
    return Decision(Transition.RESOLVE, Reason.NOT_MET, rest)
