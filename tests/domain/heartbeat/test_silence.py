"""What it means that no ping came."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.heartbeat.pings import Heartbeat
from shared.domain.heartbeat.silence import DEAF_AFTER, Ears, judge_silence
from shared.domain.monitor.schedules import Schedule
from shared.domain.target.outcome import Outcome

PINGED = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
DUE = PINGED + HOUR + MINUTE
WAITING = Heartbeat(Schedule(interval=HOUR), MINUTE, pinged_at=PINGED, armed_at=PINGED, expected_at=DUE)


def heard_until(moment: datetime, *deaf: tuple[datetime, datetime]) -> Ears:
    return Ears(moment, deaf)


def test_nothing_is_said_before_a_ping_is_due() -> None:
    """Nor at the very moment."""
    assert judge_silence(WAITING, last_at=PINGED, now=DUE, ears=heard_until(DUE)) == (WAITING, ())


def test_silence_is_down_since_the_ping_was_due() -> None:
    """And is looked at again a period later: it goes on until then."""
    now = DUE + 2 * SECOND
    heartbeat, (look,) = judge_silence(WAITING, last_at=PINGED, now=now, ears=heard_until(now))
    assert (look.outcome, look.at, look.code) == (Outcome.DOWN, DUE, "no_ping")
    assert look.covers_until == heartbeat.expected_at == DUE + HOUR
    assert look.message == "no ping came within the period of 1h and the grace of 1m"


def test_many_periods_that_nobody_looked_at_are_told_once() -> None:
    """However long no worker was there."""
    now = DUE + 1000 * HOUR + SECOND
    heartbeat, looks = judge_silence(WAITING, last_at=PINGED, now=now, ears=heard_until(now))
    assert [look.at for look in looks] == [DUE]
    assert heartbeat.expected_at == DUE + 1001 * HOUR


def test_nobody_is_judged_by_what_was_not_listened_to() -> None:
    """A ping could have come then; the wait begins anew when somebody listens again."""
    deaf = (PINGED + 10 * MINUTE, PINGED + 20 * MINUTE)
    now = DUE + SECOND
    heartbeat, (look,) = judge_silence(WAITING, last_at=PINGED, now=now, ears=heard_until(now, deaf))
    assert (look.outcome, look.at, look.code) == (Outcome.ERROR, deaf[0], "not_listening")
    assert heartbeat.armed_at == deaf[1]
    assert heartbeat.expected_at == look.covers_until == deaf[1] + HOUR + MINUTE


def test_silence_after_a_whole_period_that_was_listened_to_is_down() -> None:
    """Also where both are found out at once."""
    deaf = (PINGED + 10 * MINUTE, PINGED + 20 * MINUTE)
    now = DUE + 2 * HOUR
    _, looks = judge_silence(WAITING, last_at=PINGED, now=now, ears=heard_until(now, deaf))
    assert [(look.outcome, look.at) for look in looks] == [
        (Outcome.ERROR, deaf[0]),
        (Outcome.DOWN, deaf[1] + HOUR + MINUTE),
    ]


def test_what_nobody_listened_to_before_the_last_ping_is_over() -> None:
    """It cannot have swallowed the ping that is missing."""
    deaf = (PINGED - 20 * MINUTE, PINGED)
    now = DUE + SECOND
    _, (look,) = judge_silence(WAITING, last_at=PINGED, now=now, ears=heard_until(now, deaf))
    assert look.outcome is Outcome.DOWN


def test_it_is_waited_for_the_note_that_somebody_listened() -> None:
    """Up to the time after which nobody does."""
    heard_at = DUE - SECOND
    assert judge_silence(WAITING, last_at=PINGED, now=heard_at + DEAF_AFTER, ears=heard_until(heard_at))[1] == ()
    now = heard_at + DEAF_AFTER + SECOND
    _, (look,) = judge_silence(WAITING, last_at=PINGED, now=now, ears=heard_until(heard_at))
    assert (look.outcome, look.at) == (Outcome.ERROR, heard_at)


def test_a_run_that_did_not_end_says_so() -> None:
    """Its grace is what is over, not the period."""
    running = Heartbeat(Schedule(interval=HOUR), MINUTE, None, PINGED, PINGED + MINUTE, PINGED)
    now = PINGED + 2 * MINUTE
    _, (look,) = judge_silence(running, last_at=None, now=now, ears=heard_until(now))
    assert (look.code, look.at, look.message) == ("run_too_long", PINGED + MINUTE, "the run did not end within 1m")


moments = st.integers(0, 600).map(lambda minutes: PINGED + minutes * MINUTE)


@given(spans=st.lists(st.tuples(moments, st.integers(1, 120)), max_size=6), minutes=st.integers(0, 900))
@settings(max_examples=200)
def test_no_minute_that_nobody_listened_to_is_down(spans: list[tuple[datetime, int]], minutes: int) -> None:
    """Down begins only behind a whole wait in which somebody listened all the time, and looks follow one another."""
    deaf = sorted({start: start + length * MINUTE for start, length in spans}.items())
    now = PINGED + minutes * MINUTE
    past = [(start, min(end, now)) for start, end in deaf if start < now]
    heartbeat, looks = judge_silence(WAITING, last_at=PINGED, now=now, ears=heard_until(now, *past))
    assert [look.at for look in looks] == sorted({look.at for look in looks})
    assert all(look.at > PINGED for look in looks)
    for look in looks:
        if look.outcome is Outcome.DOWN:
            wait = (look.at - HOUR - MINUTE, look.at)
            assert not any(start < wait[1] and end > wait[0] for start, end in past)
    assert heartbeat.expected_at is not None
    assert heartbeat.expected_at >= now
