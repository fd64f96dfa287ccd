"""Conditions in the Common Expression Language."""

from datetime import timedelta

import pytest

from shared.domain.alert.alerts import Verdict
from shared.domain.monitor.standing import MonitorState
from shared.domain.rule.cel import CelError, CelVerdict, check_cel, evaluate
from shared.domain.rule.conditions import Cel
from shared.domain.rule.figures import Figure

SLOW = Figure(aggregate="p95", metric="duration_ms", window=timedelta(minutes=5))
ROWS = Figure(aggregate="latest", metric="rows")


def _cel(text: str) -> Cel:
    return Cel(cel=text, let={"slow": SLOW, "rows": ROWS})


@pytest.mark.parametrize(
    "text",
    [
        "slow > 300.0 && state == 'down'",
        "slow > 300",
        "slow / rows > 10.0",
        "int(rows) % 2 == 0",
        "state in ['up', 'down'] && !(slow < 3.0)",
        "[slow, rows].filter(x, x > 3.0).size() >= 2",
        "slow > 1.0 ? rows > 2.0 : true",
        "state.startsWith('d')",
        "true",
    ],
)
def test_what_says_true_or_false_is_taken(text: str) -> None:
    """Figures, the state, operators, a few functions and one macro may be used."""
    check_cel(_cel(text))


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("slow >", "the CEL expression cannot be read: character 7: Syntax error: mismatched input"),
        ("slow = 3", "the CEL expression cannot be read: character 6"),
        ("fast > 3.0", "the CEL expression has the unknown variable fast; there are rows, slow, state"),
        ("nope(slow)", "the CEL expression has the unknown function nope"),
        ("'x'.matches('((a{100}){100})')", "the CEL expression has the unknown function matches"),
        ("[1,2].all(x, [3].exists(y, x == y))", "one of the macros all, exists, exists_one, filter, map may be used"),
        ("slow + 1.0", "the CEL expression has to say true or false"),
        ("slow + 1 > 3.0", "the CEL expression fails: Unsupported operation: float + int"),
        ("slow > '3'", "the CEL expression fails: No such overload"),
        ("(" * 240 + "slow" + ")" * 240 + " > 1.0", "the CEL expression cannot be read"),
    ],
)
def test_what_is_wrong_is_told_when_it_is_saved(text: str, mistake: str) -> None:
    """Whatever would fail each time, cost too much or say nothing is refused with the reason."""
    with pytest.raises(CelError) as caught:
        check_cel(_cel(text))
    assert str(caught.value).startswith(mistake)


def test_a_figure_may_not_hide_the_state() -> None:
    """The name of the state is taken."""
    with pytest.raises(CelError, match="another name"):
        check_cel(Cel(cel="state > 3.0", let={"state": SLOW}))


@pytest.mark.parametrize(
    ("text", "slow", "state", "verdict"),
    [
        ("slow > 300.0 && state == 'down'", 301.0, MonitorState.DOWN, CelVerdict(Verdict.MET)),
        ("slow > 300.0 && state == 'down'", 301.0, MonitorState.UP, CelVerdict(Verdict.NOT_MET)),
        (
            "slow > 300.0 && state == 'down'",
            None,
            MonitorState.DOWN,
            CelVerdict(Verdict.UNKNOWN, "rows, slow: not known"),
        ),
        ("slow > 300.0 && state == 'down'", None, MonitorState.UP, CelVerdict(Verdict.NOT_MET)),
        ("slow > 300.0 || state == 'down'", None, MonitorState.DOWN, CelVerdict(Verdict.MET)),
        (
            "slow > 2.0 ? slow : true",
            3.0,
            MonitorState.UP,
            CelVerdict(Verdict.UNKNOWN, "the CEL expression says neither true nor false"),
        ),
    ],
)
def test_what_is_not_known_is_not_guessed(
    text: str, slow: float | None, state: MonitorState, verdict: CelVerdict
) -> None:
    """A figure that is not known matters only where the answer depends on it."""
    assert evaluate(_cel(text), {"slow": slow, "rows": None}, state) == verdict


def test_a_mistake_while_it_runs_is_told() -> None:
    """What fails for these values is unknown, with what the library says of it."""
    verdict = evaluate(_cel("1 / int(slow) > 0"), {"slow": 0.0, "rows": 1.0}, MonitorState.UP)
    assert verdict == CelVerdict(Verdict.UNKNOWN, "division by zero in CEL expression")
