"""What a condition says at a moment."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judge_bench import SECOND, START, judged_monitor

from shared.domain.alert.alerts import Verdict
from shared.domain.judging.condition_compiling import compile_condition
from shared.domain.judging.evaluation import Scene, evaluate
from shared.domain.judging.evidence import evidence_of
from shared.domain.judging.window_codec import Windows
from shared.domain.monitor.standing import MonitorState
from shared.domain.rule.expressions import parse_expression
from shared.domain.target.outcome import Outcome

MET, NOT_MET, UNKNOWN = Verdict.MET, Verdict.NOT_MET, Verdict.UNKNOWN
START_MS = int(START.timestamp() * 1000)


def verdict_of(expression: str, *values: float, state: MonitorState = MonitorState.UP, latched: int = 0) -> Verdict:
    """What an expression says of samples ten seconds apart, the last one now."""
    program = compile_condition(parse_expression(expression))
    windows = Windows.empty(program.shape, awaited_ms=START_MS)
    for place, value in enumerate(values):
        for ring in windows.rings:
            ring.add(START_MS + place * 10_000, Outcome.UP.code, value)
    at = START + max(len(values) - 1, 0) * 10 * SECOND
    return evaluate(program, Scene(windows, state, judged_monitor().schedule, at), latched=latched).verdict


MET_PART, NOT_MET_PART, UNKNOWN_PART = "max(duration_ms, 1m) > 0", "max(duration_ms, 1m) < 0", "state == down"
PARTS = {MET: MET_PART, NOT_MET: NOT_MET_PART, UNKNOWN: UNKNOWN_PART}
ORDER = [NOT_MET, UNKNOWN, MET]


@given(st.lists(st.sampled_from(ORDER), min_size=2, max_size=4))
def test_parts_are_joined_by_kleenes_logic(parts: list[Verdict]) -> None:
    """`and` is the least of its parts, `or` the greatest."""
    expressions = [PARTS[part] for part in parts]
    joined = {word: verdict_of(f" {word} ".join(expressions), 1, state=MonitorState.NO_DATA) for word in ("and", "or")}
    assert joined["and"] is min(parts, key=ORDER.index)
    assert joined["or"] is max(parts, key=ORDER.index)


@pytest.mark.parametrize(
    ("expression", "values", "verdict"),
    [
        ("p50(duration_ms, 1m) > 100", (50, 200, 300), MET),
        ("latest(duration_ms) == 300", (50, 300), MET),
        ("increase(duration_ms, 1m) == 7", (5, 10, 2), MET),
        ("rate(duration_ms, 1m) > 1", (0, 20), MET),
        ("rate(duration_ms, 1m) > 1", (20,), UNKNOWN),
        ("count(1m) < 3", (1, 1), MET),
        ("count(1m) < 3", (), UNKNOWN),
        ("uptime(1m) < 100%", (1, 1), NOT_MET),
        ("cel(\"slow > 100.0 && state == 'up'\", slow = max(duration_ms, 1m))", (200,), MET),
        ("cel(\"slow > 100.0 && state == 'up'\", slow = max(duration_ms, 1m))", (), UNKNOWN),
    ],
)
def test_figures_are_compared(expression: str, values: tuple[float, ...], verdict: Verdict) -> None:
    """Without a sample nothing is known."""
    assert verdict_of(expression, *values) is verdict


@pytest.mark.parametrize(("latched", "verdict"), [(0, NOT_MET), (1, MET)])
def test_what_was_met_is_met_until_its_recovery(latched: int, verdict: Verdict) -> None:
    """Each comparison by its own bit."""
    assert verdict_of("max(duration_ms, 1m) > 300 recover 200", 250, latched=latched) is verdict
    assert verdict_of("max(duration_ms, 1m) > 300 recover 200", 200, latched=latched) is NOT_MET


def test_the_evidence_can_be_checked_by_people() -> None:
    """Each comparison with its window from when to when, and of how many samples."""
    program = compile_condition(parse_expression("mean(duration_ms, 1m) > 10 and state == up"))
    windows = Windows.empty(program.shape, awaited_ms=START_MS)
    windows.rings[0].add(START_MS, Outcome.UP.code, 20.0)
    windows.rings[0].add(START_MS + 10_000, Outcome.UP.code, 30.0)
    scene = Scene(windows, MonitorState.UP, judged_monitor().schedule, START + 10 * SECOND)
    mean, state = evidence_of(evaluate(program, scene, latched=0), scene)["comparisons"]
    assert (mean["value"], mean["samples"], mean["op"], mean["threshold"]) == (25.0, 2, ">", 10.0)
    assert mean["to"] == "2026-03-01T12:00:10Z"
    assert mean["from"] == "2026-03-01T11:59:10Z"
    assert (state["expression"], state["value"], state["verdict"]) == ("state == up", "up", "met")
