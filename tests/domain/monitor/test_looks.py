"""What looks at one monitor make of it, and the beats it is shown by."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from shared.domain.monitor.beats import BEAT_BYTES, Beat, pack_beats, unpack_beats
from shared.domain.monitor.looks import Round, TakenLook, WatchedMonitor, fold_looks
from shared.domain.monitor.schedules import Schedule
from shared.domain.monitor.slots import Visit
from shared.domain.monitor.standing import MonitorState, Standing
from shared.domain.target.outcome import Outcome, Reading

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ID = UUID(int=1)
UP = Standing(MonitorState.UP, NOON - MINUTE, covered_until=NOON)


def look(minute: int, outcome: Outcome, *, confirmations: int = 1, confirmation: int = 0) -> TakenLook:
    slot = NOON + minute * MINUTE
    schedule = Schedule(interval=MINUTE)
    monitor = WatchedMonitor(ID, 1, "m", "file", 1, schedule, confirmations, timedelta(seconds=5))
    reading = Reading(outcome, 1.0, slot)
    covers_until = None if confirmation else slot + MINUTE
    return TakenLook(Round(ID, ID), monitor, Visit(ID, 1, slot, confirmation), reading, covers_until)


def test_looks_are_folded_in_the_order_of_their_slots() -> None:
    """However they arrive."""
    folded = fold_looks(UP, [look(1, Outcome.DEGRADED), look(0, Outcome.UP)])
    assert [(change.at, change.state) for change in folded.changes] == [(NOON + MINUTE, MonitorState.DEGRADED)]
    assert (folded.standing.covered_until, folded.confirmation) == (NOON + 2 * MINUTE, None)


def test_a_failure_asks_for_its_confirmation() -> None:
    """At the monitor's own short interval after it, and anew after one that failed too."""
    first = fold_looks(UP, [look(0, Outcome.DOWN, confirmations=2)])
    assert (first.confirmation, first.confirm_at, first.changes) == (1, NOON + timedelta(seconds=5), ())
    second = fold_looks(first.standing, [look(1, Outcome.DOWN, confirmations=2, confirmation=1)])
    assert (second.confirmation, second.confirm_at) == (2, NOON + MINUTE + timedelta(seconds=5))


def test_a_confirmation_is_taken_back_once() -> None:
    """When the target is well, or down is certain; else nothing is said of it."""
    failing = fold_looks(UP, [look(0, Outcome.DOWN)]).standing
    assert fold_looks(failing, [look(1, Outcome.UP)]).confirmation == 0
    assert fold_looks(failing, [look(1, Outcome.DOWN)]).confirmation == 0
    assert fold_looks(UP, [look(1, Outcome.UP)]).confirmation is None


def test_an_old_look_asks_for_nothing() -> None:
    """Its confirmation would confirm what is over."""
    current = fold_looks(UP, [look(5, Outcome.UP)]).standing
    assert fold_looks(current, [look(4, Outcome.DOWN)]) == fold_looks(current, [])


def test_beats_come_back_as_they_went_in() -> None:
    """Whole seconds, the outcome, the duration to seven digits; one without a number stays without."""
    beats = [Beat(NOON, Outcome.ERROR, None), Beat(NOON - MINUTE, Outcome.UP, 12.5)]
    packed = pack_beats(beats)
    assert len(packed) == 2 * BEAT_BYTES
    assert unpack_beats(packed) == beats
    assert unpack_beats(b"") == []


def test_a_beat_of_any_duration_is_packed() -> None:
    """Whoever pings may claim any number; it must not be in the way of what others say."""
    (beat,) = unpack_beats(pack_beats([Beat(NOON, Outcome.UP, 1e300)]))
    assert beat.duration_ms == pytest.approx(3e38)
