"""Conditions made ready to be judged again and again: what is read, compared and remembered."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.domain.judging.window_codec import WindowShape
from shared.domain.monitor.schedules import Schedule
from shared.domain.rule.conditions import Absent, Cel, Comparison, StateIs
from shared.domain.rule.figures import Figure


@dataclass(frozen=True, slots=True)
class RingFigure:
    """A figure and which window it is read from."""

    figure: Figure
    ring: int


@dataclass(frozen=True, slots=True)
class Compared:
    """A comparison; whether it was met is remembered under `bit`."""

    comparison: Comparison
    read: RingFigure
    bit: int


@dataclass(frozen=True, slots=True)
class Burn:
    """Two burn rates that both have to be met; it then stays met, by `bit`, while the long one is."""

    long: Compared
    short: Compared
    bit: int


@dataclass(frozen=True, slots=True)
class Budget:
    """An objective's error budget: one of the pairs has to be met; those count that have a full window behind them."""

    pairs: tuple[Burn, ...]


@dataclass(frozen=True, slots=True)
class CelFigures:
    """An expression in CEL with the figures that it names."""

    cel: Cel
    reads: tuple[tuple[str, RingFigure], ...]


@dataclass(frozen=True, slots=True)
class Every:
    """All of them have to be met."""

    nodes: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Some:
    """One of them has to be met."""

    nodes: tuple["Node", ...]


Node = Compared | Budget | CelFigures | StateIs | Absent | Every | Some


@dataclass(frozen=True, slots=True)
class Program:
    """A condition made ready.

    Without windows and absences it asks only how the monitor stands: then nothing changes until that does.
    """

    root: Node
    shape: WindowShape
    absences: tuple[Absent, ...]

    @property
    def is_of_state(self) -> bool:
        """Whether only a change of the monitor's state can change what it says."""
        return not self.shape.specs and not self.absences

    @property
    def longest(self) -> timedelta | None:
        """The longest window, None where no figure has one."""
        return max((spec.window for spec in self.shape.specs if spec.window is not None), default=None)


def absent_at(absent: Absent, schedule: Schedule, since: datetime) -> datetime:
    """From when on it is met when no sample comes after `since`; intervals are the slots of the monitor's schedule."""
    if absent.absent is not None:
        return since + absent.absent
    intervals = absent.intervals or 1
    if schedule.interval is not None:
        return since + intervals * schedule.interval
    slot = since
    for _ in range(intervals):
        slot = schedule.next_after(slot)
    return slot
