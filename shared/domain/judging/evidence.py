"""The numbers that an alert was judged by, so that people can check them."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.domain.durations import format_duration
from shared.domain.judging.condition_programs import CelFigures, Compared
from shared.domain.judging.evaluation import Found, Judged, Scene
from shared.domain.judging.figure_reading import FigureRead
from shared.domain.rule.conditions import Absent, StateIs
from shared.domain.rule.expressions import format_expression, format_figure
from shared.domain.rule.figures import Figure
from shared.domain.sample.sample_columns import moment_at


def evidence_of(judged: Judged, scene: Scene) -> Mapping[str, Any]:
    """What was judged, as JSON: for each comparison its figure, value, bounds and window, and from how many samples.

    Windows reach from `from` (not included) to `to`, the former to within a thirtieth of the window. `code` and
    `message` are why the monitor is in its state, where a look has said so.
    """
    comparisons = [each for found in judged.found for each in _told(found, scene)]
    cause = {name: said for name, said in scene.cause._asdict().items() if said is not None}
    return {"at": _moment(scene.at), "state": scene.state.value, **cause, "comparisons": comparisons}


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _told(found: Found, scene: Scene) -> Iterator[dict[str, Any]]:
    leaf = found.leaf
    match leaf:
        case Compared(comparison):
            yield {
                **_figure(comparison.figure, found.figures[0], scene.at),
                "op": comparison.op.value,
                "threshold": comparison.value,
                "recover": comparison.recover,
                "verdict": found.verdict.value,
            }
        case StateIs():
            yield {"expression": format_expression(leaf), "value": scene.state.value, "verdict": found.verdict.value}
        case Absent():
            heard = moment_at(scene.windows.heard_ms * 1000)
            yield {
                "expression": format_expression(leaf),
                "value": format_duration(max(scene.at - heard, timedelta(0))),
                "from": _moment(heard),
                "to": _moment(scene.at),
                "verdict": found.verdict.value,
            }
        case CelFigures(condition, reads):
            yield {
                "expression": format_expression(condition),
                "verdict": found.verdict.value,
                "message": found.message,
                "figures": {
                    name: _figure(read.figure, each, scene.at)
                    for (name, read), each in zip(reads, found.figures, strict=True)
                },
            }


def _figure(figure: Figure, read: FigureRead, at: datetime) -> dict[str, Any]:
    told: dict[str, Any] = {"expression": format_figure(figure), "value": read.value, "samples": read.samples}
    if figure.window is not None:
        start = at - figure.window
        told |= {"window": format_duration(figure.window), "from": _moment(start), "to": _moment(at)}
    return told
