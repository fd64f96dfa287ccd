"""Each moment of a job's life belongs to one segment."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.job.jobs import AttemptOutcome, JobState
from shared.domain.job.timeline import AttemptTimes, JobLife, Timeline, timeline_of

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def attempt(number: int, due: float, queued: float, started: float, finished: float, **changes: object) -> AttemptTimes:
    """An attempt recorded half a second after its end."""
    values = {
        "attempt": number,
        "worker_id": f"w{number}",
        "outcome": AttemptOutcome.FAILED,
        "due_at": at(due),
        "queued_at": at(queued),
        "blocked_ms": 0.0,
        "claim_ms": 0.0,
        "started_at": at(started),
        "finished_at": at(finished),
        "recorded_at": at(finished + 0.5),
    }
    return AttemptTimes(**(values | changes))  # type: ignore[arg-type]


def seconds_of(timeline: Timeline) -> dict[str, float]:
    return {
        segment.value: duration.total_seconds()
        for segment, duration in timeline.totals.items()
        if duration.total_seconds()
    }


def spans_of(timeline: Timeline) -> list[tuple[str, float, int | None]]:
    return [(span.segment.value, span.duration.total_seconds(), span.attempt) for span in timeline.spans]


def test_a_whole_life_is_told_in_order() -> None:
    """Due later, promoted, held back, rung, claimed, run, recorded, put off, and once more."""
    life = JobLife(NOON, JobState.SUCCEEDED, run_at=at(30), finished_at=at(41.5))
    attempts = [
        attempt(1, 10, 11, 16, 20, blocked_ms=3000.0, claim_ms=500.0),
        attempt(2, 30, 30.25, 31, 41, outcome=AttemptOutcome.SUCCEEDED),
    ]
    assert spans_of(timeline_of(life, attempts, now=at(99))) == [
        ("scheduled", 10, None),
        ("promote", 1, None),
        ("blocked", 3, None),
        ("ring", 1.5, None),
        ("claim", 0.5, 1),
        ("run", 4, 1),
        ("record", 0.5, 1),
        ("retry_wait", 9.5, None),
        ("promote", 0.25, None),
        ("ring", 0.75, None),
        ("run", 10, 2),
        ("record", 0.5, 2),
    ]


def test_a_late_result_does_not_overlap_what_was_done_meanwhile() -> None:
    """A worker that came back after its job was given away lost time until then, not until it came back."""
    life = JobLife(NOON, JobState.SUCCEEDED, run_at=NOON, finished_at=at(50.5))
    late = attempt(1, 0, 0, 1, 70, outcome=AttemptOutcome.FENCED)
    timeline = timeline_of(life, [late, attempt(2, 0, 40, 42, 50, outcome=AttemptOutcome.SUCCEEDED)], now=at(99))
    assert seconds_of(timeline) == {"ring": 3, "lost": 39, "run": 8, "record": 0.5}


def test_a_late_result_of_a_job_that_waits_again_does_not_either() -> None:
    """The row says since when it waits."""
    life = JobLife(NOON, JobState.QUEUED, run_at=NOON, queued_at=at(40))
    late = attempt(1, 0, 0, 1, 70, outcome=AttemptOutcome.FENCED)
    assert seconds_of(timeline_of(life, [late], now=at(100))) == {"ring": 61, "lost": 39}


def test_a_running_job_runs_until_now() -> None:
    """Its attempt and worker are told though it has not ended."""
    life = JobLife(
        NOON, JobState.RUNNING, run_at=NOON, attempt=1, queued_at=NOON, started_at=at(2), worker_id="w1", blocked_ms=500
    )
    timeline = timeline_of(life, [], now=at(10))
    assert spans_of(timeline) == [("blocked", 0.5, None), ("ring", 1.5, None), ("run", 8, 1)]
    assert timeline.spans[-1].worker_id == "w1"


def test_a_job_that_is_held_back_is_so_until_now() -> None:
    """The wait that lasts counts."""
    life = JobLife(NOON, JobState.QUEUED, run_at=NOON, queued_at=NOON, blocked_ms=1000, blocked_since=at(4))
    assert seconds_of(timeline_of(life, [], now=at(10))) == {"blocked": 7, "ring": 3}


def test_a_job_that_is_due_later_is_scheduled_until_now() -> None:
    """And not beyond."""
    life = JobLife(NOON, JobState.SCHEDULED, run_at=at(60))
    assert seconds_of(timeline_of(life, [], now=at(10))) == {"scheduled": 10}


def test_a_due_job_that_nobody_queues_waits_for_upkeep() -> None:
    """A worker should have promoted it."""
    life = JobLife(NOON, JobState.RETRYING, run_at=at(6))
    assert seconds_of(timeline_of(life, [attempt(1, 0, 0, 1, 2)], now=at(10))) == {
        "ring": 1,
        "run": 1,
        "record": 0.5,
        "retry_wait": 3.5,
        "promote": 4,
    }


def test_a_job_cancelled_while_it_waited_ended_there() -> None:
    """Nothing ran."""
    life = JobLife(NOON, JobState.CANCELLED, run_at=NOON, queued_at=NOON, finished_at=at(5))
    assert seconds_of(timeline_of(life, [], now=at(99))) == {"ring": 5}


moments = st.integers(-10, 200).map(lambda tenths: at(tenths / 10))
perhaps = st.none() | moments
lives = st.builds(
    JobLife,
    created_at=moments,
    state=st.sampled_from(JobState),
    run_at=moments,
    queued_at=perhaps,
    blocked_ms=st.floats(0, 30_000),
    blocked_since=perhaps,
    started_at=perhaps,
    finished_at=perhaps,
)
tries = st.builds(
    AttemptTimes,
    attempt=st.integers(1, 9),
    worker_id=st.just("w"),
    outcome=st.sampled_from(AttemptOutcome),
    due_at=perhaps,
    queued_at=perhaps,
    blocked_ms=st.floats(0, 30_000),
    claim_ms=st.floats(0, 30_000),
    started_at=moments,
    finished_at=moments,
    recorded_at=moments,
)


@given(life=lives, attempts=st.lists(tries, max_size=5), now=moments)
def test_the_spans_add_up_to_the_whole_life(life: JobLife, attempts: list[AttemptTimes], now: datetime) -> None:
    """Exactly, without gap or overlap, in whatever order clocks that differ have put the moments."""
    timeline = timeline_of(life, attempts, now=now)
    end = max(life.finished_at or now, life.created_at)
    assert timeline.duration == end - life.created_at
    assert sum((span.duration for span in timeline.spans), timedelta(0)) == timeline.duration
    assert sum(timeline.totals.values(), timedelta(0)) == timeline.duration
    assert all(span.duration > timedelta(0) for span in timeline.spans)
    assert [span.started_at for span in timeline.spans[:1]] == [life.created_at] * bool(timeline.spans)
    for span, following in pairwise(timeline.spans):
        assert span.started_at + span.duration == following.started_at
