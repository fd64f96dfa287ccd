"""The database's clock, known without asking."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.domain.monitor.pacing import STEP_SECONDS, WINDOW_SECONDS, DatabaseClock

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def heard(*delays: tuple[float, float]) -> DatabaseClock:
    """A clock that was told the true time at each moment and heard it after each delay; it is noon at 100."""
    clock = DatabaseClock()
    for at, delay in delays:
        clock.hear(NOON + (at - delay - 100) * SECOND, at=at)
    return clock


def test_it_goes_on_by_itself() -> None:
    """By the monotonic clock alone."""
    assert heard((100, 0)).time(at=107.5) == NOON + 7.5 * SECOND


def test_what_was_heard_soonest_counts() -> None:
    """A busy process hears late, and neither its slots nor its lag move with that."""
    assert heard((100, 0.25), (101, 0.03125), (102, 2.0)).time(at=102) == NOON + (2 - 0.03125) * SECOND


def test_old_hearings_are_forgotten() -> None:
    """Two clocks drift."""
    clock = heard((100, -0.5), (101 + WINDOW_SECONDS, 0.0))
    assert clock.time(at=200) == NOON + 100.5 * SECOND
    clock.hear(NOON + (2 + 2 * WINDOW_SECONDS) * SECOND, at=102 + 2 * WINDOW_SECONDS)
    assert clock.time(at=200) == NOON + 100 * SECOND


def test_a_clock_that_was_set_back_is_followed_at_once() -> None:
    """As one that was set forward is."""
    clock = heard((100, 0), (101, 3600))
    assert clock.time(at=101) == NOON + SECOND - 3600 * SECOND
    clock.hear(NOON + 3600 * SECOND, at=102)
    assert clock.time(at=102) == NOON + 3600 * SECOND


def test_a_late_hearing_is_no_step() -> None:
    """Up to some seconds."""
    assert heard((100, 0), (101, STEP_SECONDS - 0.5)).time(at=101) == NOON + SECOND


def test_nothing_heard_is_no_time() -> None:
    """It is not guessed."""
    with pytest.raises(LookupError):
        DatabaseClock().time(at=1.0)
