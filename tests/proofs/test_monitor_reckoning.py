"""The reckoning of slots finds what it is there to find."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from chaos.slots import Missed, SlotReckoning, Watched, reckon_slots
from shared.domain.monitor.schedules import Schedule, phase_of

MONITOR = UUID("6b1f2d0c-0000-4000-8000-000000000001")
SECOND = 1000
CREATED = 1_790_000_000_000.25
FIRST = next(iter(Watched(MONITOR, SECOND, CREATED, [], [], [], "", 0, None).expected(2**62)))
SLOTS = [FIRST + turn * SECOND for turn in range(5)]
UNTIL = SLOTS[-1]
SOUND = Watched(
    monitor_id=MONITOR,
    interval=SECOND,
    created=CREATED,
    samples=[(slot, "up") for slot in SLOTS if slot != SLOTS[2]],
    gaps=[Missed(SLOTS[2], SLOTS[2], 1, "late")],
    spans=[(FIRST - 400, "pending"), (FIRST, "up"), (SLOTS[2], "no_data"), (SLOTS[3], "up")],
    state="up",
    since=SLOTS[3],
    covered_until=SLOTS[-1] + SECOND,
)


def _delta(milliseconds: int) -> timedelta:
    return timedelta(milliseconds=milliseconds)


def _moment(milliseconds: float) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)


def judged(**changes: object) -> SlotReckoning:
    return reckon_slots([replace(SOUND, **changes)], until=UNTIL)  # type: ignore[arg-type]


def test_slots_that_are_all_collected_or_missed_are_clean() -> None:
    """Each is counted as what it is; what comes after the end of the count is left out."""
    reckoning = judged(samples=[*SOUND.samples, (UNTIL + SECOND, "error")])
    assert reckoning.is_clean
    assert (reckoning.slots, reckoning.run, reckoning.missed, reckoning.errors) == (5, 4, {"late": 1}, 0)


def test_the_auditors_slots_are_the_schedules() -> None:
    """They are computed twice, by two programs."""
    for seconds in (1, 7, 60, 3600):
        interval = seconds * SECOND
        schedule = Schedule(interval=_delta(interval), phase=phase_of(MONITOR, _delta(interval)))
        expected = replace(SOUND, interval=interval).expected(int(CREATED) + 5 * interval)
        first = schedule.next_after(_moment(CREATED))
        assert [_moment(slot) for slot in expected] == list(schedule.slots(first, _moment(int(CREATED) + 5 * interval)))


@pytest.mark.parametrize(
    "changes",
    [
        {"samples": [*SOUND.samples, (SLOTS[2], "up")]},
        {"samples": [*SOUND.samples, (SLOTS[4], "up")]},
        {"samples": [*SOUND.samples, (SLOTS[1] + 1, "up")]},
        {"gaps": [*SOUND.gaps, Missed(SLOTS[2], SLOTS[2], 1, "overload")]},
        {"gaps": [Missed(SLOTS[2], SLOTS[4], 1, "late")]},
    ],
    ids=["collected and missed", "two samples", "no slot", "missed for two reasons", "wrongly counted"],
)
def test_what_is_told_twice_is_found(changes: dict[str, object]) -> None:
    """A slot is collected or missed, and nothing is kept at other moments."""
    assert judged(**changes).doubled


def test_what_nobody_tells_of_is_found() -> None:
    """Neither sample nor gap."""
    assert judged(gaps=[]).unaccounted == [(MONITOR, SLOTS[2])]


def test_a_down_of_a_target_that_always_answers_is_found() -> None:
    """Also one that was over soon."""
    spans = [*SOUND.spans[:2], (SLOTS[1], "down"), *SOUND.spans[2:]]
    assert judged(spans=spans).false_downs == [(MONITOR, SLOTS[1])]


@pytest.mark.parametrize(
    ("changes", "at"),
    [
        ({"spans": SOUND.spans[:2], "since": FIRST}, SLOTS[2]),
        ({"samples": [(SLOTS[0], "error"), *SOUND.samples[1:]]}, SLOTS[0]),
        ({"state": "no_data"}, SLOTS[3]),
        ({"covered_until": UNTIL + 1, "samples": SOUND.samples[:-1]}, UNTIL),
    ],
    ids=["a gap in it", "an error of ours", "another state", "more than was looked at"],
)
def test_a_timeline_that_says_what_was_not_seen_is_found(changes: dict[str, object], at: int) -> None:
    """Each slot of a time that is judged has a look that judged it, and the timeline ends as the monitor stands."""
    assert (MONITOR, at) in judged(**changes).unexplained
