from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.monitor.standing import MonitorState, StateChange
from shared.domain.monitor.uptime import Knowledge, Span, Uptime, Window, spans_of, uptime

START = datetime(2026, 1, 1, tzinfo=UTC)
FOR_EVER = Knowledge(None, timedelta(seconds=60))
UP, DOWN, DEGRADED = MonitorState.UP, MonitorState.DOWN, MonitorState.DEGRADED


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def change(second: float, state: MonitorState) -> StateChange:
    return StateChange(at(second), state, code=state.value)


def told(*changes: StateChange, start: float = 0, end: float = 100, now: float = 100, **known: float) -> Uptime:
    """The uptime of a monitor made at 0; `until` and `patience` in seconds."""
    until = known.get("until")
    knowledge = Knowledge(None if until is None else at(until), timedelta(seconds=known.get("patience", 60)))
    return uptime(changes, Window(at(start), at(end)), now=at(now), knowledge=knowledge, created_at=START)


def test_time_is_summed_by_state() -> None:
    """Each state lasts until the next one, the latest until now."""
    found = told(change(0, UP), change(10, DOWN), change(15, DEGRADED), change(20, UP))
    assert (found.up_seconds, found.down_seconds, found.degraded_seconds) == (90, 5, 5)
    assert (found.ratio, found.coverage, found.outages) == (0.95, 1.0, 1)


def test_the_window_cuts_what_reaches_into_it() -> None:
    """Of an outage that began before, only the part inside counts."""
    found = told(change(0, UP), change(10, DOWN), change(30, UP), start=20, end=40)
    assert (found.down_seconds, found.up_seconds, found.outages) == (10, 10, 1)


def test_what_ended_at_the_windows_start_is_no_part_of_it() -> None:
    """An outage that touches the window is not one of its outages."""
    assert told(change(0, DOWN), change(20, UP), start=20).outages == 0


def test_neither_our_faults_nor_waiting_count_against_the_target() -> None:
    """They are missing from the coverage, not from the uptime."""
    found = told(change(0, MonitorState.PENDING), change(10, UP), change(60, MonitorState.NO_DATA))
    assert (found.pending_seconds, found.up_seconds, found.no_data_seconds) == (10, 50, 40)
    assert (found.ratio, found.coverage) == (1.0, 0.5)


@pytest.mark.parametrize("state", [MonitorState.PAUSED, MonitorState.MAINTENANCE])
def test_time_off_leaves_the_window(state: MonitorState) -> None:
    """Nothing was to be watched then."""
    found = told(change(0, UP), change(40, state), change(80, UP))
    assert (found.ratio, found.coverage, found.judged_seconds) == (1.0, 1.0, 60)


def test_nothing_judged_is_no_uptime() -> None:
    """Neither 0 nor 100 %."""
    assert told(change(0, MonitorState.NO_DATA)).ratio is None
    assert told(change(0, MonitorState.NO_DATA)).coverage == 0.0
    assert told(change(0, MonitorState.PAUSED)).coverage is None


def test_before_it_was_made_nothing_was_to_be_watched() -> None:
    """A new monitor's year is as long as it exists."""
    found = told(change(0, UP), start=-1000)
    assert (found.up_seconds, found.coverage) == (100, 1.0)


def test_a_monitor_without_any_state_is_pending() -> None:
    """Since it was made."""
    assert told(start=-10).pending_seconds == 100


def test_what_may_still_be_told_is_left_out() -> None:
    """The slot that is just being collected lowers no coverage."""
    found = told(change(0, UP), until=70)
    assert (found.up_seconds, found.no_data_seconds, found.coverage) == (70, 0, 1.0)


def test_silence_is_no_data_once_patience_is_over() -> None:
    """From where knowledge ended, not from now on."""
    found = told(change(0, UP), until=30)
    assert (found.up_seconds, found.no_data_seconds) == (30, 70)


def test_knowledge_never_ends_before_the_state_began() -> None:
    """A state that was found later than its knowledge reaches takes no time backwards."""
    assert told(change(0, UP), change(50, DOWN), until=30, patience=10).up_seconds == 50


@pytest.mark.parametrize("state", [MonitorState.PAUSED, MonitorState.PENDING, MonitorState.NO_DATA])
def test_only_what_was_found_can_go_stale(state: MonitorState) -> None:
    """A pause lasts until it is ended."""
    (span,) = spans_of(
        [change(0, state)],
        Window(at(0), at(100)),
        now=at(100),
        knowledge=Knowledge(at(10), timedelta(0)),
        created_at=START,
    )
    assert span == Span(at(0), at(100), state, code=state.value)


def test_a_state_that_took_no_time_is_left_out() -> None:
    """Two changes at one moment: the later one counts."""
    found = told(change(0, UP), change(10, DOWN), change(10, UP))
    assert (found.outages, found.up_seconds) == (0, 100)


@st.composite
def timelines(draw: st.DrawFn) -> tuple[list[StateChange], Window, datetime, Knowledge, datetime]:
    """Whole seconds of some minutes: changes, window, now, knowledge and when the monitor was made."""
    seconds = st.integers(0, 240)
    moments = sorted(draw(st.lists(seconds, max_size=8)))
    changes = [change(second, draw(st.sampled_from(MonitorState))) for second in moments]
    now = at(draw(st.integers(max(moments, default=0), 300)))
    start, end = sorted(draw(st.tuples(seconds, st.integers(0, 300))))
    until = draw(st.none() | st.integers(0, 400).map(at))
    knowledge = Knowledge(until, timedelta(seconds=draw(st.integers(0, 100))))
    return changes, Window(at(start), at(end)), now, knowledge, at(draw(st.integers(0, min([*moments, 20]))))


def state_in(moment: datetime, changes: list[StateChange], now: datetime, knowledge: Knowledge) -> MonitorState | None:
    """What is known of one second, or None while it is not yet known."""
    before = [each for each in changes if each.at <= moment]
    if not before:
        return MonitorState.PENDING
    until = knowledge.covered_until
    if before[-1] is not changes[-1] or not before[-1].state.is_judged or until is None or moment < until:
        return before[-1].state
    return MonitorState.NO_DATA if now >= until + knowledge.patience else None


@given(timelines())
def test_uptime_equals_a_count_second_by_second(
    timeline: tuple[list[StateChange], Window, datetime, Knowledge, datetime],
) -> None:
    """Any timeline, any window, whatever is known."""
    changes, window, now, knowledge, created_at = timeline
    first, last = max(window.start, created_at), min(window.end, now)
    moments = [first + timedelta(seconds=n) for n in range(max(0, int((last - first).total_seconds())))]
    states = [state_in(moment, changes, now, knowledge) for moment in moments]
    counted = Counter(states)
    found = uptime(changes, window, now=now, knowledge=knowledge, created_at=created_at)
    for state in MonitorState:
        assert getattr(found, f"{state}_seconds") == counted[state]
    judged = sum(counted[state] for state in (UP, DOWN, DEGRADED))
    assert found.ratio == (pytest.approx((judged - counted[DOWN]) / judged) if judged else None)
    watched = judged + counted[MonitorState.NO_DATA] + counted[MonitorState.PENDING]
    assert found.coverage == (pytest.approx(judged / watched) if watched else None)


@given(timelines())
def test_spans_follow_each_other_without_a_gap(
    timeline: tuple[list[StateChange], Window, datetime, Knowledge, datetime],
) -> None:
    """From the window's start, or the monitor's making, to the end of what is known; each takes time."""
    changes, window, now, knowledge, created_at = timeline
    spans = spans_of(changes, window, now=now, knowledge=knowledge, created_at=created_at)
    for before, after in pairwise(spans):
        assert before.end == after.start
    assert all(span.start < span.end for span in spans)
    if spans:
        assert spans[0].start == max(window.start, created_at)
