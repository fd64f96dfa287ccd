"""Makes conditions ready to be judged: which windows they need, and which memory each comparison has."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from typing import assert_never

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
)
from shared.domain.judging.figure_reading import merge_specs, window_of
from shared.domain.judging.window_codec import WindowShape
from shared.domain.rule.conditions import Absent, AllOf, AnyOf, Cel, Comparison, Condition, Operator, Slo, StateIs
from shared.domain.rule.figures import Aggregate, Figure

BURN_RATES = (
    (14.4, timedelta(hours=1), timedelta(minutes=5)),
    (6.0, timedelta(hours=6), timedelta(minutes=30)),
)
"""Factor, long and short window: 2 % and 5 % of a month's budget (Google's SRE workbook, "Alerting on SLOs")."""


def compile_condition(condition: Condition) -> Program:
    """Make a condition ready to be judged."""
    leaves = list(_leaves(_expanded(condition)))
    figures = [figure for leaf in leaves for figure in _figures(leaf)]
    specs = merge_specs([window_of(figure) for figure in figures])
    places = {(spec.metric, spec.window): place for place, spec in enumerate(specs)}
    compiler = _Compiler(places)
    root = compiler.compile(condition)
    return Program(root, WindowShape.of(specs), tuple(leaf for leaf in leaves if isinstance(leaf, Absent)))


class _Compiler:
    def __init__(self, places: dict[tuple[str | None, timedelta | None], int]) -> None:
        self._places = places
        self._bits = count()

    def compile(self, condition: Condition) -> Node:
        match condition:
            case AllOf(all=parts):
                return Every(tuple([self.compile(part) for part in parts]))
            case AnyOf(any=parts):
                return Some(tuple([self.compile(part) for part in parts]))
            case Comparison():
                return self._compared(condition, next(self._bits))
            case Slo(slo=objective):
                return Budget(tuple([self._burn(*pair) for pair in burn_rates_of(objective)]))
            case Cel(let=let):
                return CelFigures(condition, tuple([(name, self._read(figure)) for name, figure in let.items()]))
            case StateIs() | Absent():
                return condition
            case _:
                assert_never(condition)

    def _burn(self, long: Comparison, short: Comparison) -> Burn:
        bit = next(self._bits)
        return Burn(self._compared(long, bit), self._compared(short, bit), bit)

    def _compared(self, comparison: Comparison, bit: int) -> Compared:
        return Compared(comparison, self._read(comparison.figure), bit)

    def _read(self, figure: Figure) -> RingFigure:
        spec = window_of(figure)
        return RingFigure(figure, self._places[spec.metric, spec.window])


def burn_rates_of(objective: float) -> list[tuple[Comparison, Comparison]]:
    """The pairs of comparisons, of a long and of a short window, that stand for an objective in percent."""
    return [
        (_burn_above(factor, long, objective), _burn_above(factor, short, objective))
        for factor, long, short in BURN_RATES
    ]


def _burn_above(factor: float, window: timedelta, objective: float) -> Comparison:
    figure = Figure(aggregate=Aggregate.BURN_RATE.value, window=window, objective=objective)
    return Comparison(figure=figure, op=Operator.GREATER, value=factor)


def _expanded(condition: Condition) -> Condition:
    if not isinstance(condition, Slo):
        return condition
    return AllOf(all=[each for pair in burn_rates_of(condition.slo) for each in pair])


def _leaves(condition: Condition) -> Iterator[Comparison | StateIs | Absent | Cel]:
    match condition:
        case AllOf(all=parts) | AnyOf(any=parts):
            for part in parts:
                yield from _leaves(_expanded(part))
        case Slo():
            yield from _leaves(_expanded(condition))
        case _:
            yield condition


def _figures(leaf: Comparison | StateIs | Absent | Cel) -> list[Figure]:
    match leaf:
        case Comparison():
            return [leaf.figure]
        case Cel():
            return list(leaf.let.values())
    return []
