"""The reckoning finds what it is there to find."""

from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from chaos.figures import Figures, judge
from chaos.ledger import Reckoning, Record, reckon
from chaos.plan import Blow, plan

JOB = uuid4()
DONE = Record(JOB, "collect", "succeeded", error=None, dispatches=1, outcomes=("succeeded",), samples=1)


def judged(record: Record | None, *, visits: int = 1, accepted: frozenset[UUID] = frozenset({JOB})) -> Reckoning:
    return reckon(accepted, {record.job_id: record} if record else {}, {JOB: visits})


def test_a_job_done_once_is_clean() -> None:
    """Neither lost nor doubled; a lost attempt explains a second visit."""
    assert judged(DONE).is_clean
    assert judged(replace(DONE, outcomes=("lost", "succeeded")), visits=2).is_clean


@pytest.mark.parametrize(
    ("record", "visits"),
    [
        (None, 0),
        (replace(DONE, state="queued", outcomes=()), 0),
        (replace(DONE, samples=0), 1),
        (DONE, 0),
        (replace(DONE, state="failed", error="internal", outcomes=("failed",)), 1),
    ],
    ids=["no row", "no end", "no sample", "no visit", "failed"],
)
def test_what_is_lost_is_found(record: Record | None, visits: int) -> None:
    """No row, no end, an end without a trace in the world, or a failure that the world gave no reason for."""
    assert list(judged(record, visits=visits).lost) == [JOB]


@pytest.mark.parametrize(
    ("record", "visits", "accepted"),
    [
        (DONE, 2, frozenset({JOB})),
        (replace(DONE, samples=2), 1, frozenset({JOB})),
        (replace(DONE, outcomes=("succeeded", "succeeded")), 2, frozenset({JOB})),
        (DONE, 1, frozenset[UUID]()),
    ],
    ids=["unexplained visit", "two samples", "two ends", "made twice"],
)
def test_what_is_doubled_is_found(record: Record, visits: int, accepted: frozenset[UUID]) -> None:
    """A visit that no attempt explains, a second sample or end, or a job that nobody knows of."""
    assert list(judged(record, visits=visits, accepted=accepted).doubled) == [JOB]


def test_a_plan_is_the_same_for_the_same_seed_and_starts_with_each_blow() -> None:
    """A run that found something can be had again, and a short run leaves nothing out."""
    once, again, other = (plan(seed, workers=4) for seed in (7, 7, 8))
    blows = [next(once) for _ in range(50)]
    assert blows == [next(again) for _ in range(50)]
    assert blows != [next(other) for _ in range(50)]
    assert {blow.blow for blow in blows[: len(Blow)]} == set(Blow)


def reading(**changes: float) -> Figures:
    flat = Figures(
        jobs=1000,
        api_rss_mb=80,
        worker_rss_mb=90,
        redis_keys=20,
        redis_mb=2,
        connections=12,
        dead_rows_percent=5,
        bytes_per_job=900,
    )
    return replace(flat, **changes)


def test_growth_after_the_warm_up_is_found_and_a_peak_is_not() -> None:
    """Ten megabytes between the second and the last third are told; the warm-up and a single reading are not."""
    warm_up = [reading(api_rss_mb=60)] * 4
    assert judge([*warm_up, *[reading()] * 7, reading(api_rss_mb=200)]) == {}
    assert judge([*warm_up, *[reading()] * 4, *[reading(api_rss_mb=90)] * 4]) == {
        "api_rss_mb": "grew from 80.0 to 90.0"
    }
    assert judge([reading()]) != {}
