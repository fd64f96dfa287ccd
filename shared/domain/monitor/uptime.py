"""How long a monitor's target was up, told exactly from its status timeline; pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

from shared.domain.monitor.standing import MISSED, MonitorState, StateChange


@dataclass(frozen=True, slots=True)
class Window:
    """The time from `start` up to `end`, both aware."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Knowledge:
    """Until when the latest state is known to hold; None is until something else is told.

    Once `patience` is over after that, nothing is known from there on.
    """

    covered_until: datetime | None
    patience: timedelta


@dataclass(frozen=True, slots=True)
class Span:
    """A state that lasted from `start` to `end`, and why; one that still lasts is known until `end`."""

    start: datetime
    end: datetime
    state: MonitorState
    code: str | None = None
    message: str | None = None
    is_lasting: bool = False


@dataclass(frozen=True, slots=True)
class Uptime:
    """How a window divides into states, in seconds, as far as it is known.

    `outages` says how often it was down without a break, as far as that reaches into the window.
    """

    up_seconds: float = 0.0
    degraded_seconds: float = 0.0
    down_seconds: float = 0.0
    no_data_seconds: float = 0.0
    pending_seconds: float = 0.0
    paused_seconds: float = 0.0
    maintenance_seconds: float = 0.0
    outages: int = 0

    @property
    def judged_seconds(self) -> float:
        """The time in which the target itself was spoken of."""
        return self.up_seconds + self.degraded_seconds + self.down_seconds

    @property
    def ratio(self) -> float | None:
        """(up + degraded) / (up + degraded + down); None when nothing was judged."""
        judged = self.judged_seconds
        return (self.up_seconds + self.degraded_seconds) / judged if judged else None

    @property
    def coverage(self) -> float | None:
        """The judged share of the time in which the target was to be watched; None when there was none.

        The time before the monitor was made, that in which it was paused or in maintenance, and what cannot be known
        yet are no part of it.
        """
        judged = self.judged_seconds
        watched = judged + self.no_data_seconds + self.pending_seconds
        return judged / watched if watched else None


def spans_of(
    changes: Sequence[StateChange], window: Window, *, now: datetime, knowledge: Knowledge, created_at: datetime
) -> list[Span]:
    """The window as spans that follow each other, from the monitor's making up to what is known; each takes time.

    `changes` are in the order of time, all of them or those from the one in force at the window's start on. Before the
    first one the monitor is pending. Where the latest state's knowledge has ended, nothing is told until patience is
    over; then it is `no_data` from there on.
    """
    last = changes[-1] if changes else StateChange(created_at, MonitorState.PENDING)
    end, silence = _end_of_knowledge(last, min(window.end, now), now=now, knowledge=knowledge)
    told = [StateChange(created_at, MonitorState.PENDING), *changes, *silence]
    ends = [later.at for _, later in pairwise(told)] + [end]
    start = max(window.start, created_at)
    return [
        Span(max(change.at, start), min(until, end), change.state, change.code, change.message)
        for change, until in zip(told, ends, strict=True)
        if max(change.at, start) < min(until, end)
    ]


def latest_spans(change: StateChange, *, now: datetime, knowledge: Knowledge) -> list[Span]:
    """What the latest change has become by now: the state itself, and silence if it has lasted too long."""
    window = Window(change.at, now)
    spans = spans_of([change], window, now=now, knowledge=knowledge, created_at=change.at)
    return [*spans[:-1], *(replace(span, is_lasting=True) for span in spans[-1:])]


def uptime(
    changes: Sequence[StateChange], window: Window, *, now: datetime, knowledge: Knowledge, created_at: datetime
) -> Uptime:
    """Sum up the spans of a window; see `spans_of`."""
    seconds = dict.fromkeys(MonitorState, timedelta(0))
    outages, before = 0, None
    for span in spans_of(changes, window, now=now, knowledge=knowledge, created_at=created_at):
        seconds[span.state] += span.end - span.start
        outages += span.state is MonitorState.DOWN and before is not MonitorState.DOWN
        before = span.state
    return Uptime(**{f"{state}_seconds": lasted.total_seconds() for state, lasted in seconds.items()}, outages=outages)


def _end_of_knowledge(
    last: StateChange, end: datetime, *, now: datetime, knowledge: Knowledge
) -> tuple[datetime, tuple[StateChange, ...]]:
    """Where the timeline ends, and what follows the latest change when silence has lasted too long."""
    if knowledge.covered_until is None or not last.state.is_judged:
        return end, ()
    known_until = max(knowledge.covered_until, last.at)
    if now < knowledge.covered_until + knowledge.patience:
        return min(end, known_until), ()
    return end, (StateChange(known_until, MonitorState.NO_DATA, MISSED),)
