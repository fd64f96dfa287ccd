"""What a condition says at a moment: met, not met, or unknown, and by which numbers; pure.

Parts are joined by Kleene's logic: `all` is not met as soon as one part is not, and else unknown as soon as one is.
"""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import assert_never

from shared.domain.alert.alerts import Verdict
from shared.domain.judging.condition_programs import (
    Budget,
    Burn,
    CelFigures,
    Compared,
    Every,
    Node,
    Program,
    RingFigure,
    Some,
    absent_at,
)
from shared.domain.judging.figure_reading import FigureRead, read_figure
from shared.domain.judging.window_codec import Windows
from shared.domain.monitor.schedules import Schedule
from shared.domain.monitor.standing import NO_CAUSE, Cause, MonitorState
from shared.domain.rule import cel
from shared.domain.rule.conditions import Absent, Operator, StateIs
from shared.domain.sample.sample_columns import microseconds_of, moment_at

_COMPARE: Mapping[Operator, Callable[[float, float], bool]] = MappingProxyType(
    {
        Operator.GREATER: operator.gt,
        Operator.GREATER_OR_EQUAL: operator.ge,
        Operator.LESS: operator.lt,
        Operator.LESS_OR_EQUAL: operator.le,
        Operator.EQUAL: operator.eq,
        Operator.NOT_EQUAL: operator.ne,
    }
)
_ABOVE = frozenset({Operator.GREATER, Operator.GREATER_OR_EQUAL})


@dataclass(frozen=True, slots=True)
class Scene:
    """What is judged: a monitor's windows and state at a moment, and the `cause` of the state.

    `filled_from` is from when on its samples are in the windows, None where there are none.
    """

    windows: Windows
    state: MonitorState
    schedule: Schedule
    at: datetime
    filled_from: datetime | None = None
    cause: Cause = NO_CAUSE

    @property
    def at_ms(self) -> int:
        """The moment, in milliseconds since 1970."""
        return microseconds_of(self.at) // 1000


Leaf = Compared | CelFigures | StateIs | Absent


@dataclass(frozen=True, slots=True)
class Found:
    """What one part of a condition was judged by."""

    leaf: Leaf
    verdict: Verdict
    figures: tuple[FigureRead, ...] = ()
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """What a condition says, what it was judged by, and which comparisons are met until their recovery."""

    verdict: Verdict
    latched: int
    found: tuple[Found, ...]


def evaluate(program: Program, scene: Scene, *, latched: int) -> Judged:
    """Judge a condition; `latched` has a bit for each comparison that was met the last time."""
    evaluator = _Evaluator(scene, latched)
    verdict = evaluator.judge(program.root)
    return Judged(verdict, evaluator.latched, tuple(evaluator.found))


@dataclass(slots=True)
class _Evaluator:
    scene: Scene
    latched: int
    found: list[Found] = field(default_factory=list)

    def judge(self, node: Node) -> Verdict:
        match node:
            case Every(nodes):
                return _kleene([self.judge(each) for each in nodes], Verdict.NOT_MET, Verdict.MET)
            case Some(nodes):
                return _kleene([self.judge(each) for each in nodes], Verdict.MET, Verdict.NOT_MET)
            case Budget(pairs):
                known = [self._burn(each) for each in pairs if self._has_history(each)]
                return _kleene(known or [Verdict.UNKNOWN], Verdict.MET, Verdict.NOT_MET)
            case _:
                return self._leaf(node)

    def _leaf(self, node: Leaf) -> Verdict:
        match node:
            case Compared():
                return self._compared(node)
            case CelFigures():
                return self._cel(node)
            case StateIs():
                return self._note(node, _judge_state(node, self.scene.state))
            case Absent():
                return self._note(node, self._judge_absent(node))
            case _:
                assert_never(node)

    def _note(self, leaf: Leaf, verdict: Verdict, *figures: FigureRead, message: str | None = None) -> Verdict:
        self.found.append(Found(leaf, verdict, figures, message))
        return verdict

    def _read(self, read: RingFigure) -> FigureRead:
        return read_figure(read.figure, self.scene.windows.rings[read.ring], self.scene.at_ms)

    def _compared(self, node: Compared) -> Verdict:
        figure = self._read(node.read)
        verdict = _compare(node, figure.value, is_latched=self._is_latched(node.bit))
        self._latch(node.bit, verdict)
        return self._note(node, verdict, figure)

    def _burn(self, node: Burn) -> Verdict:
        """Met by both windows, and from then on by the long one alone."""
        long, short = self._read(node.long.read), self._read(node.short.read)
        met_long = _compare(node.long, long.value, is_latched=False)
        met_short = _compare(node.short, short.value, is_latched=False)
        is_latched = self._is_latched(node.bit)
        verdict = met_long if is_latched else _kleene([met_long, met_short], Verdict.NOT_MET, Verdict.MET)
        self._latch(node.bit, verdict)
        self._note(node.long, met_long, long)
        self._note(node.short, met_short, short)
        return verdict

    def _has_history(self, node: Burn) -> bool:
        window, filled_from = node.long.read.figure.window, self.scene.filled_from
        return window is not None and filled_from is not None and filled_from <= self.scene.at - window

    def _judge_absent(self, node: Absent) -> Verdict:
        since = moment_at(self.scene.windows.heard_ms * 1000)
        is_met = self.scene.at >= absent_at(node, self.scene.schedule, since)
        return Verdict.MET if is_met else Verdict.NOT_MET

    def _cel(self, node: CelFigures) -> Verdict:
        reads = [self._read(read) for _, read in node.reads]
        values = {name: each.value for (name, _), each in zip(node.reads, reads, strict=True)}
        said = cel.evaluate(node.cel, values, self.scene.state)
        return self._note(node, said.verdict, *reads, message=said.message)

    def _is_latched(self, bit: int) -> bool:
        return bool(self.latched >> bit & 1)

    def _latch(self, bit: int, verdict: Verdict) -> None:
        """Remember what was met; where nothing is known, what was known before stands."""
        if verdict is Verdict.MET:
            self.latched |= 1 << bit
        elif verdict is Verdict.NOT_MET:
            self.latched &= ~(1 << bit)


def _compare(node: Compared, value: float | None, *, is_latched: bool) -> Verdict:
    if value is None:
        return Verdict.UNKNOWN
    comparison = node.comparison
    is_met = _COMPARE[comparison.op](value, comparison.value)
    if not is_met and is_latched and comparison.recover is not None:
        is_met = value > comparison.recover if comparison.op in _ABOVE else value < comparison.recover
    return Verdict.MET if is_met else Verdict.NOT_MET


def _judge_state(node: StateIs, state: MonitorState) -> Verdict:
    if state.value in node.state:
        return Verdict.MET
    return Verdict.NOT_MET if state.is_judged else Verdict.UNKNOWN


def _kleene(verdicts: list[Verdict], decisive: Verdict, otherwise: Verdict) -> Verdict:
    if decisive in verdicts:
        return decisive
    return Verdict.UNKNOWN if Verdict.UNKNOWN in verdicts else otherwise
