"""A rule on a monitor, judged moment by moment in the monitor's own time."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judge_bench import SECOND, START, JudgeBench, compiled_rule, judged_monitor, sample_at

from shared.domain.alert.alerts import Reason, Transition, Verdict
from shared.domain.alert.reasons_in_words import why_in_words
from shared.domain.monitor.standing import MonitorState, StateChange
from shared.domain.target.outcome import Outcome

FIRE, PEND, CLEAR, RESOLVE = Transition.FIRE, Transition.PEND, Transition.CLEAR, Transition.RESOLVE
UP, DOWN, NO_DATA = MonitorState.UP, MonitorState.DOWN, MonitorState.NO_DATA
MINUTE = timedelta(minutes=1)


def state_at(seconds: float, state: MonitorState) -> StateChange:
    return StateChange(START + seconds * SECOND, state)


def test_a_window_fires_at_the_sample_that_crosses_and_resolves_at_the_one_that_returns() -> None:
    """The numbers are told with it."""
    bench = JudgeBench(compiled_rule("max(duration_ms, 30s) > 300"))
    for place, value in enumerate((100, 400, 100, 100, 100, 100)):
        bench.take([sample_at(START + place * 10 * SECOND, value)])
    assert bench.steps() == [(FIRE, 10), (RESOLVE, 40)]
    (told,) = bench.changes[0].evidence["comparisons"]
    assert told["value"] == 400
    assert told["samples"] == 2
    assert told["expression"] == "max(duration_ms, 30s)"
    assert (told["op"], told["threshold"], told["window"]) == (">", 300, "30s")


def test_it_fires_only_once_it_was_met_for_as_long_as_the_rule_says() -> None:
    """At the moment itself, not at the sample after it."""
    bench = JudgeBench(compiled_rule("max(duration_ms, 20s) > 300", **{"for": 25 * SECOND}))
    for place in range(4):
        bench.take([sample_at(START + place * 10 * SECOND, 500)])
    assert bench.steps() == [(PEND, 0), (FIRE, 25)]


@pytest.mark.parametrize("is_swept", [True, False])
def test_whether_the_sweep_or_the_next_sample_judges_a_moment_makes_no_difference(*, is_swept: bool) -> None:
    """Both judge it as of then."""
    bench = JudgeBench(compiled_rule("state == down", **{"for": 25 * SECOND}))
    bench.take([], [state_at(0, DOWN)])
    if is_swept:
        bench.sweep(START + 40 * SECOND)
    bench.take([], [state_at(60, UP)])
    assert bench.steps() == [(PEND, 0), (FIRE, 25), (RESOLVE, 60)]
    assert bench.changes[0].alert_id == bench.changes[1].alert_id == bench.changes[2].alert_id
    assert bench.changes[2].since == START


@pytest.mark.parametrize("is_swept", [True, False])
def test_an_alert_of_a_state_says_why_the_monitor_is_in_it(*, is_swept: bool) -> None:
    """What the look found stands in the alert, also when only time had to pass until it fired."""
    bench = JudgeBench(compiled_rule("state == down", **{"for": 25 * SECOND}))
    bench.take([], [StateChange(START, DOWN, "connection_refused", "db:5432 refused the connection")])
    if is_swept:
        bench.sweep(START + 40 * SECOND)
    bench.take([], [state_at(60, UP)])
    _, fired, resolved = bench.changes
    assert why_in_words(fired.evidence) == ["state == down: it is down (db:5432 refused the connection)"]
    assert (fired.evidence["code"], "code" in resolved.evidence) == ("connection_refused", False)
    assert fired.evidence["at"] == "2026-03-01T12:00:25Z"


def test_a_state_that_was_confirmed_later_counts_from_when_it_began() -> None:
    """As in the timeline; a rule of states judges nothing between."""
    bench = JudgeBench(compiled_rule("state == down"))
    bench.take([], [state_at(0, UP)])
    bench.take([], [state_at(10, DOWN)], at=START + 15 * SECOND)
    assert bench.steps() == [(FIRE, 10)]


def test_a_state_that_begins_before_what_was_judged_is_not_lost() -> None:
    """It is judged at the look that confirmed it."""
    bench = JudgeBench(compiled_rule("state == down and count(1m) > 0"))
    bench.take([sample_at(START, 1)], [state_at(0, UP)])
    bench.take([sample_at(START + 20 * SECOND, 1, Outcome.DOWN)])
    bench.take([], [state_at(10, DOWN)], at=START + 25 * SECOND)
    assert bench.steps() == [(FIRE, 25)]


def test_a_sample_that_comes_late_counts_but_judges_nothing() -> None:
    """The next one is judged with it."""
    bench = JudgeBench(compiled_rule("sum(duration_ms, 1m) > 100"))
    bench.take([sample_at(START + 20 * SECOND, 50)])
    bench.take([sample_at(START + 10 * SECOND, 60)])
    assert bench.steps() == []
    bench.take([sample_at(START + 30 * SECOND, 1)])
    assert bench.steps() == [(FIRE, 30)]


def test_nothing_coming_is_noticed_by_the_sweep_and_over_with_the_next_sample() -> None:
    """By the monitor's own interval; while samples come, nothing is asked for at each of them."""
    bench = JudgeBench(compiled_rule("absent(3 intervals)"))
    dues = set()
    for place in range(7):
        bench.take([sample_at(START + place * 10 * SECOND, 1)])
        assert bench.kept is not None
        dues.add(bench.kept.due_at)
    assert len(dues) == 3
    bench.sweep(START + 200 * SECOND)
    bench.take([sample_at(START + 300 * SECOND, 1)])
    assert bench.steps() == [(FIRE, 90), (RESOLVE, 300)]


def test_a_rule_of_states_remembers_nothing_of_a_monitor_that_is_well() -> None:
    """And nothing is written of it."""
    bench = JudgeBench(compiled_rule("state == down"))
    bench.take([], [state_at(0, UP)])
    assert bench.kept is None


@pytest.mark.parametrize("state", [MonitorState.PENDING, MonitorState.MAINTENANCE, NO_DATA])
def test_a_state_that_says_nothing_keeps_an_alert_as_it_is(state: MonitorState) -> None:
    """Until something is known again."""
    bench = JudgeBench(compiled_rule("state == down"))
    bench.take([], [state_at(0, DOWN)])
    bench.take([], [state_at(10, state)])
    assert bench.kept is not None
    assert bench.kept.verdict is Verdict.UNKNOWN
    bench.take([], [state_at(20, UP)])
    assert bench.steps() == [(FIRE, 0), (RESOLVE, 20)]


def test_no_data_is_a_state_when_it_is_asked_for() -> None:
    """By its name."""
    bench = JudgeBench(compiled_rule("state in (down, no_data)"))
    bench.take([], [state_at(0, NO_DATA)])
    assert bench.steps() == [(FIRE, 0)]


def test_an_alert_kept_firing_ends_that_long_after_it_was_last_met() -> None:
    """A state is met until the moment it changes."""
    bench = JudgeBench(compiled_rule("state == down", keep_firing_for=MINUTE))
    bench.take([], [state_at(0, DOWN)])
    bench.take([], [state_at(600, UP)])
    bench.sweep(START + 700 * SECOND)
    assert bench.steps() == [(FIRE, 0), (RESOLVE, 660)]


def test_a_comparison_with_a_recovery_stays_met_until_it_is_reached() -> None:
    """Not only until the threshold is left."""
    bench = JudgeBench(compiled_rule("latest(duration_ms) > 300 recover 200"))
    for place, value in enumerate((250, 310, 250, 201, 200)):
        bench.take([sample_at(START + place * 10 * SECOND, value)])
    assert bench.steps() == [(FIRE, 10), (RESOLVE, 40)]


@pytest.mark.parametrize(("no_data", "steps"), [("keep", [(FIRE, 0)]), ("ok", [(FIRE, 0), (RESOLVE, 60)])])
def test_an_empty_window_follows_the_policy(no_data: str, steps: list[tuple[Transition, float]]) -> None:
    """When its last part has left, without a sample that says so."""
    bench = JudgeBench(compiled_rule("max(duration_ms, 1m) > 1", no_data=no_data))
    bench.take([sample_at(START, 5)])
    bench.sweep(START + 10 * MINUTE)
    assert bench.steps() == steps
    assert no_data == "keep" or bench.changes[1].reason is Reason.NO_DATA


def test_an_objective_is_unknown_until_a_full_window_lies_behind() -> None:
    """Then it fires as soon as both windows burn, and resolves by the long one."""
    bench = JudgeBench(compiled_rule("slo(99%)"), judged_monitor(MINUTE))
    for minute in range(180):
        outcome = Outcome.DOWN if minute < 30 or 70 <= minute < 90 else Outcome.UP
        bench.take([sample_at(START + minute * MINUTE, 1, outcome)])
    fired = [change for change in bench.changes if change.transition is FIRE]
    assert fired[0].at >= START + timedelta(hours=1)
    assert bench.changes[-1].transition is RESOLVE


def test_windows_that_are_not_filled_yet_are_not_judged() -> None:
    """They wait for the sweep, which is due at once."""
    bench = JudgeBench(compiled_rule("uptime(1h) < 99%"))
    bench.take([sample_at(START, 1, Outcome.DOWN)], is_first=False)
    assert bench.kept is not None
    assert bench.kept.due_at == START
    assert bench.kept.filled_from is None
    before = bench.kept
    bench.take([sample_at(START + MINUTE, 1, Outcome.DOWN)], is_first=False)
    assert (bench.kept, bench.changes) == (before, [])


news = st.lists(
    st.tuples(st.sampled_from([100.0, 250.0, 400.0]), st.sampled_from([UP, DOWN, None]), st.booleans(), st.booleans()),
    min_size=1,
    max_size=40,
)
EXPRESSIONS = [
    "max(duration_ms, 30s) > 300 recover 200",
    "mean(duration_ms, 1m) > 240 and state == down",
    "state == down",
    "absent(2 intervals) or count(down, 1m) >= 2",
]


@settings(max_examples=120, deadline=None)
@given(news, st.sampled_from(EXPRESSIONS), st.sampled_from([0, 15, 30]), st.sampled_from([0, 15]))
def test_however_the_news_are_cut_the_transitions_are_the_same(
    steps: list[tuple[float, MonitorState | None, bool, bool]], expression: str, for_: int, keep: int
) -> None:
    """One flush or many, swept in between or not: as many workers as you like come to what one comes to."""
    fields = {"for": for_ * SECOND, "keep_firing_for": keep * SECOND, "flapping": None}
    single, cut = (JudgeBench(compiled_rule(expression, **fields)) for _ in range(2))
    samples, changes = [], []
    batch: tuple[list[object], list[StateChange]] = ([], [])
    for place, (value, state, is_cut, is_swept) in enumerate(steps):
        at = START + place * 10 * SECOND
        sample = sample_at(at, value, Outcome.DOWN if state is DOWN else Outcome.UP)
        change = [StateChange(at, state)] if state is not None else []
        samples.append(sample)
        changes += change
        batch[0].append(sample)
        batch[1].extend(change)
        if is_cut:
            cut.take(batch[0], batch[1], at=at)  # type: ignore[arg-type]
            batch = ([], [])
            if is_swept:
                cut.sweep(at + 9 * SECOND)
    last = START + len(steps) * 10 * SECOND
    if batch[0]:
        cut.take(batch[0], batch[1], at=last)  # type: ignore[arg-type]
    single.take(samples, changes, at=last)
    for bench in (single, cut):
        bench.sweep(last + 10 * MINUTE)
    assert cut.changes == single.changes
