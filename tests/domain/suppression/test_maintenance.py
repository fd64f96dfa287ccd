"""When windows of maintenance run, and what they make of how a monitor stands."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.matchers import Matchers
from shared.domain.monitor.standing import (
    Look,
    MonitorState,
    Standing,
    fold,
    fold_maintenance,
    fold_maintenance_end,
    fold_pause,
)
from shared.domain.suppression.maintenance import (
    MaintainedMonitor,
    Maintenance,
    MaintenanceState,
    decide_membership,
    moved_on,
    next_window,
)
from shared.domain.suppression.planned_spans import MAX_SPAN, SpanError, plan_span
from shared.domain.target.outcome import Outcome

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
LONG_AGO = NOW - timedelta(days=9)
STEADY = MaintainedMonitor(LONG_AGO, MINUTE, is_looked_at=True)
LIVE = [state for state in MonitorState if state is not MonitorState.PAUSED]


def window(number: int, start: datetime, end: datetime, *, ended_at: datetime | None = None) -> Maintenance:
    """A window with this number."""
    return Maintenance(
        UUID(int=number), f"window {number}", Matchers(), start, end, LONG_AGO, "tests", ended_at=ended_at
    )


def standing(state: MonitorState, since: datetime = LONG_AGO) -> Standing:
    """A standing whose knowledge still holds."""
    return Standing(state, since, covered_until=NOW + HOUR)


@pytest.mark.parametrize(
    ("cron", "now", "start"),
    [
        ("0 3 * * *", "2026-02-01T01:00", "2026-02-01T03:00+01:00"),
        ("0 3 * * *", "2026-02-01T03:30", "2026-02-01T03:00+01:00"),
        ("0 3 * * *", "2026-02-01T05:00", "2026-02-02T03:00+01:00"),
        # In spring the clock skips from two to three, in autumn it shows the hour from two to three twice.
        ("30 2 * * *", "2026-03-29T01:00", "2026-03-29T03:00+02:00"),
        ("0 3 * * *", "2026-10-25T01:00", "2026-10-25T03:00+01:00"),
        ("30 1 * * *", "2026-10-25T01:45", "2026-10-25T01:30+02:00"),
    ],
)
def test_a_window_that_recurs_begins_by_the_clock_on_the_wall(cron: str, now: str, start: str) -> None:
    """The one that runs, or the next one; two hours after it has begun it is over, whatever the clock did."""
    moment = datetime.fromisoformat(now).replace(tzinfo=ZoneInfo("Europe/Berlin"))
    found = next_window(cron, "Europe/Berlin", 2 * HOUR, now=moment.astimezone(UTC))
    assert found == (datetime.fromisoformat(start), datetime.fromisoformat(start) + 2 * HOUR)


def test_a_window_moves_on_when_it_is_over() -> None:
    """One-off it has ended, with a cron it is the next one, and one that was ended for good stays."""
    once = window(1, NOW - HOUR, NOW)
    assert moved_on(once, now=NOW - MINUTE) is None
    assert moved_on(once, now=NOW + HOUR) == replace(once, ended_at=NOW)
    again = replace(once, cron="0 11 * * *", duration=HOUR)
    assert moved_on(again, now=NOW + MINUTE) == replace(
        again, starts_at=NOW + 23 * HOUR, ends_at=NOW + timedelta(days=1)
    )
    assert moved_on(replace(again, ended_at=NOW - MINUTE), now=NOW + HOUR) is None


def test_where_a_window_stands() -> None:
    """One that recurs is scheduled between its times, one that is over and not moved on yet has no third state."""
    once = window(1, NOW - HOUR, NOW)
    moments = [NOW - 2 * HOUR, NOW - HOUR, NOW]
    assert [once.state_at(moment).value for moment in moments] == ["scheduled", "running", "ended"]
    again = replace(once, cron="0 11 * * *", duration=HOUR)
    assert [again.state_at(moment).value for moment in moments] == ["scheduled", "running", "scheduled"]
    assert replace(again, ended_at=NOW - 2 * HOUR).state_at(NOW - MINUTE) is MaintenanceState.ENDED


@pytest.mark.parametrize("state", LIVE)
def test_it_enters_when_the_first_window_began(state: MonitorState) -> None:
    """Whatever was known; with that window's name for the reason."""
    first, second = window(1, NOW - HOUR, NOW + HOUR), window(2, NOW - MINUTE, NOW + HOUR)
    decided = decide_membership(standing(state), STEADY, {}, [second, first], now=NOW)
    assert set(decided.joined) == {first.maintenance_id, second.maintenance_id}
    assert decided.left == ()
    if state is MonitorState.MAINTENANCE:
        assert decided.folded.changes == ()
    else:
        (change,) = decided.folded.changes
        assert (change.at, change.state, change.message) == (NOW - HOUR, MonitorState.MAINTENANCE, "window 1")


def test_a_paused_monitor_is_in_no_window() -> None:
    """Paused wins; what held it lets it go."""
    running = window(1, NOW - HOUR, NOW + HOUR)
    decided = decide_membership(
        standing(MonitorState.PAUSED), STEADY, {running.maintenance_id: running}, [running], now=NOW
    )
    assert (decided.joined, decided.left, decided.folded.changes) == ((), (running.maintenance_id,), ())


def test_an_orphan_is_let_go() -> None:
    """A monitor in maintenance that no window holds is pending from now on."""
    decided = decide_membership(standing(MonitorState.MAINTENANCE), STEADY, {}, [], now=NOW)
    assert [(change.at, change.state) for change in decided.folded.changes] == [(NOW, MonitorState.PENDING)]


OFFSETS = st.integers(-120, 120).map(lambda minutes: NOW + minutes * MINUTE)
WINDOWS = st.builds(
    lambda number, start, length, ended: window(number, start, start + length * MINUTE, ended_at=ended),
    st.integers(1, 4),
    OFFSETS,
    st.integers(1, 90),
    st.none() | OFFSETS.filter(lambda moment: moment <= NOW),
)


@given(
    st.sampled_from(MonitorState),
    st.integers(0, 300),
    st.integers(0, 300),
    st.lists(WINDOWS, max_size=4, unique_by=lambda each: each.maintenance_id),
    st.lists(WINDOWS, max_size=4, unique_by=lambda each: each.maintenance_id),
)
def test_membership_and_state_agree(
    state: MonitorState, age: int, changed: int, held: list[Maintenance], wanted: list[Maintenance]
) -> None:
    """It is in maintenance just when a window that runs wants it; time never goes back, nor ahead; twice is once."""
    before = standing(state, NOW - age * MINUTE)
    monitor = MaintainedMonitor(NOW - changed * MINUTE, MINUTE, is_looked_at=True)
    running = {each.maintenance_id for each in wanted if each.state_at(NOW) is MaintenanceState.RUNNING}
    members = {each.maintenance_id: each for each in held}
    decided = decide_membership(before, monitor, members, wanted, now=NOW)
    after = decided.folded.standing
    is_paused = state is MonitorState.PAUSED
    assert (after.state is MonitorState.MAINTENANCE) == (bool(running) and not is_paused)
    expected = set() if is_paused else running
    assert (members.keys() - set(decided.left)) | set(decided.joined) == expected
    assert all(before.since <= change.at <= NOW for change in decided.folded.changes)
    again = decide_membership(
        after, monitor, {key: each for key, each in _by_id(wanted).items() if key in expected}, wanted, now=NOW
    )
    assert (again.joined, again.left, again.folded.changes) == ((), (), ())


def _by_id(windows: list[Maintenance]) -> dict[UUID, Maintenance]:
    return {each.maintenance_id: each for each in windows}


def test_looks_change_nothing_meanwhile_and_count_after_it() -> None:
    """What is found in it is only remembered as having been looked at; the next look after it decides."""
    entered = fold_maintenance(standing(MonitorState.UP), at=NOW, name="disks").standing
    looked = fold(entered, Look(NOW + MINUTE, Outcome.DOWN, NOW + 2 * MINUTE), confirmations=0)
    assert (looked.standing.state, looked.changes, looked.needs_confirmation) == (MonitorState.MAINTENANCE, (), False)
    assert looked.standing.last_at == NOW + MINUTE
    left = fold_maintenance_end(looked.standing, at=NOW + 2 * MINUTE)
    late = fold(left.standing, Look(NOW + MINUTE + MINUTE / 2, Outcome.DOWN, None), confirmations=0)
    assert late.standing.state is MonitorState.PENDING
    seen = fold(left.standing, Look(NOW + 3 * MINUTE, Outcome.UP, NOW + 4 * MINUTE), confirmations=0)
    assert [(change.at, change.state) for change in seen.changes] == [(NOW + 3 * MINUTE, MonitorState.UP)]


def test_a_pause_ends_it() -> None:
    """Who pauses a monitor in maintenance finds it paused; the end of the window changes nothing then."""
    entered = fold_maintenance(standing(MonitorState.UP), at=NOW, name="disks").standing
    paused = fold_pause(entered, at=NOW + MINUTE).standing
    assert paused.state is MonitorState.PAUSED
    assert fold_maintenance(paused, at=NOW + HOUR, name="disks").changes == ()
    assert fold_maintenance_end(paused, at=NOW + HOUR).standing is paused


@pytest.mark.parametrize(
    ("start", "end", "length", "field"),
    [
        (None, None, None, "ends_at"),
        (None, NOW, None, "ends_at"),
        (NOW + HOUR, NOW + MINUTE, None, "ends_at"),
        (None, None, timedelta(0), "duration"),
        (None, None, MAX_SPAN + MINUTE, "duration"),
        (NOW + HOUR, NOW + 2 * HOUR + MAX_SPAN, None, "ends_at"),
    ],
)
def test_a_time_that_cannot_be_is_refused(
    start: datetime | None, end: datetime | None, length: timedelta | None, field: str
) -> None:
    """Over, without length, or too long; it is said where."""
    with pytest.raises(SpanError) as caught:
        plan_span(start, end, length, now=NOW)
    assert caught.value.field == field


def test_what_has_passed_is_now() -> None:
    """What was told is not unsaid."""
    span = plan_span(NOW - HOUR, None, HOUR, now=NOW)
    assert (span.starts_at, span.ends_at) == (NOW, NOW + HOUR)
