"""Rules judged over a history: the same that is judged as it happens."""

from datetime import timedelta
from itertools import count
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judge_bench import SECOND, START, JudgeBench, compiled_rule, judged_monitor, sample_at

from shared.domain.alert.alerts import AlertState, Reason
from shared.domain.judging.backtest import JUDGED_AT_ONCE, History, PastAlert, alerts_of, judge_history, warm_up_of
from shared.domain.monitor.standing import MonitorState, StateChange
from shared.domain.sample.sample_columns import EMPTY, SampleColumns, microseconds_of

STEP = 10 * SECOND
MINUTE = 60 * SECOND


def columns(*values: float | None, start: int = 0) -> SampleColumns:
    """Samples every ten seconds that took so many milliseconds; None where there is none."""
    there = [(START + (start + place) * STEP, value) for place, value in enumerate(values) if value is not None]
    return SampleColumns(
        np.array([microseconds_of(at) for at, _ in there], dtype=np.int64),
        np.zeros(len(there), dtype=np.uint8),
        {0: np.array([value for _, value in there], dtype=np.float64)},
    )


def judge(
    expression: str, samples: SampleColumns, *changes: StateChange, seconds: float, warm: float = 0, **fields: object
) -> list[PastAlert]:
    """What a rule makes of a history that begins `warm` seconds after the first samples and is so long."""
    numbers = count(1)
    start = START + warm * SECOND
    history = History(start, START + seconds * SECOND, START, samples, changes or [StateChange(START, MonitorState.UP)])
    found = judge_history(
        compiled_rule(expression, **fields), judged_monitor(), history, new_id=lambda: UUID(int=next(numbers))
    )
    return alerts_of(found)


def lives(alerts: list[PastAlert]) -> list[tuple[float, float | None, float | None]]:
    """When each began, fired and ended, in seconds."""
    return [
        tuple(
            None if at is None else (at - START).total_seconds()
            for at in (each.started_at, each.fired_at, each.ended_at)
        )
        for each in alerts
    ]  # type: ignore[misc]


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.sampled_from([100.0, 250.0, 400.0, None]), min_size=2, max_size=60),
    expression=st.sampled_from(
        [
            "latest(duration_ms) > 300",
            "mean(duration_ms, 1m) > 200 recover 150",
            "absent(3 intervals)",
            "count(30s) < 2",
        ]
    ),
    wait=st.sampled_from([0, 20, 45]),
    chunk=st.integers(min_value=1, max_value=7),
)
def test_history_is_judged_as_it_was_when_it_happened(
    values: list[float | None], expression: str, wait: int, chunk: int
) -> None:
    """The same lives as when the samples came a few at a time, and the sweep in between."""
    values = [100.0, *values]
    fields = {"for_": wait * SECOND, "keep_firing_for": 15 * SECOND, "flapping": None}
    live = JudgeBench(compiled_rule(expression, **fields), judged_monitor())
    live.state = MonitorState.UP
    end = START + len(values) * STEP
    there = [sample_at(START + place * STEP, value) for place, value in enumerate(values) if value is not None]
    for place in range(0, len(there), chunk):
        live.take(there[place : place + chunk])
    for _ in range(5):
        live.sweep(end)
    past = judge(expression, columns(*values), seconds=len(values) * 10, **fields)
    assert past == alerts_of(live.changes)


def test_windows_reach_back_before_the_start() -> None:
    """What lay before is in them, and is not judged itself."""
    alerts = judge("mean(duration_ms, 1m) > 300", columns(*[500] * 6, 100, 100, 100, 100), warm=60, seconds=100)
    assert lives(alerts) == [(60, 60, 80)]


def test_an_alert_that_is_open_at_the_end_stays_so() -> None:
    """Firing or pending; how long it fired is counted up to the end."""
    [firing] = judge("latest(duration_ms) > 300", columns(500, 500), seconds=20)
    assert firing.state is AlertState.FIRING
    assert firing.fired_for(START + MINUTE) == MINUTE
    [pending] = judge("latest(duration_ms) > 300", columns(500, 500), seconds=20, for_=MINUTE)
    assert pending.state is AlertState.PENDING
    assert pending.fired_for(START + MINUTE) == timedelta(0)


def test_one_that_never_fired_has_no_time() -> None:
    """It was over before it was met for long enough."""
    assert lives(judge("latest(duration_ms) > 300", columns(500, 100), seconds=20, for_=MINUTE)) == [(0, None, 10)]


def test_states_are_judged_when_they_began() -> None:
    """What stood at the start counts from there."""
    changes = [
        StateChange(START - MINUTE, MonitorState.DOWN),
        StateChange(START + 30 * SECOND, MonitorState.UP),
        StateChange(START + 50 * SECOND, MonitorState.DOWN),
    ]
    assert lives(judge("state == down", EMPTY, *changes, seconds=90)) == [(0, 0, 30), (50, 50, None)]


def test_a_pause_ends_what_is_open() -> None:
    """What is met after it begins anew."""
    changes = [
        StateChange(START, MonitorState.DOWN),
        StateChange(START + 30 * SECOND, MonitorState.PAUSED),
        StateChange(START + 60 * SECOND, MonitorState.PENDING),
        StateChange(START + 70 * SECOND, MonitorState.DOWN),
    ]
    alerts = judge("state == down", EMPTY, *changes, seconds=90)
    assert lives(alerts) == [(0, 0, 30), (70, 70, None)]
    assert alerts[0].reason is Reason.MONITOR_PAUSED


def test_what_lasted_through_a_pause_is_no_silence() -> None:
    """Samples are awaited anew from its end on."""
    changes = [
        StateChange(START, MonitorState.UP),
        StateChange(START + 30 * SECOND, MonitorState.PAUSED),
        StateChange(START + 600 * SECOND, MonitorState.PENDING),
    ]
    alerts = judge("absent(1m)", columns(100, 100, 100), *changes, seconds=700)
    assert lives(alerts) == [(660, 660, None)]


def test_silence_from_before_the_start_counts() -> None:
    """Nothing has come for longer than the rule allows, and the rule knows at once."""
    assert lives(judge("absent(1m)", columns(100), warm=300, seconds=400)) == [(300, 300, None)]


def test_flapping_is_told() -> None:
    """The third life is kept."""
    values = [500, 100] * 3 + [100] * 3
    alerts = judge("latest(duration_ms) > 300", columns(*values), seconds=90)
    assert [each.is_flapping for each in alerts] == [False, False, True]
    assert alerts[2].state is AlertState.FIRING


def test_judging_can_be_broken_off() -> None:
    """Between some hundreds of samples whoever asked is heard."""
    asked = count(1)

    def between() -> None:
        if next(asked) == 2:
            raise InterruptedError

    samples = columns(*[100] * (JUDGED_AT_ONCE + 1))
    history = History(START, START + 10 * MINUTE * 60, START, samples, [])
    rule = compiled_rule("latest(duration_ms) > 300")
    with pytest.raises(InterruptedError):
        judge_history(rule, judged_monitor(), history, new_id=lambda: UUID(int=1), between=between)


def test_warm_up_is_as_long_as_what_the_rule_looks_back_on() -> None:
    """The longest window or absence, and an hour at least."""
    spans = [
        warm_up_of(compiled_rule(expression), judged_monitor(), START) / timedelta(hours=1)
        for expression in ("state == down", "mean(duration_ms, 10h) > 1", "absent(20h)", "absent(720 intervals)")
    ]
    assert spans == [pytest.approx(hours) for hours in (1.1, 11, 22, 2.2)]
