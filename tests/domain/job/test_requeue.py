"""How carefully ended jobs are run anew, decided from numbers alone."""

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.job.requeue import (
    Canary,
    RequeueFilter,
    RequeueOrder,
    RequeueReason,
    Tally,
    decide_requeue,
    stage_of,
)

CAREFUL = RequeueOrder(RequeueFilter(), canary=Canary(steps=(1, 5), max_failure_rate=0.5), limit=100)
AT_ONCE = RequeueOrder(RequeueFilter(), limit=100)


def decided(order: RequeueOrder, tally: Tally, *, is_exhausted: bool = False) -> tuple[RequeueReason, int | None]:
    decision = decide_requeue(order, tally, is_exhausted=is_exhausted)
    return decision.reason, decision.up_to


def test_without_a_canary_all_go_at_once() -> None:
    """Nothing is waited for."""
    assert decided(AT_ONCE, Tally()) == (RequeueReason.ALL, 100)
    assert decided(AT_ONCE, Tally(requeued=40, failed=40)) == (RequeueReason.ALL, 100)


def test_a_canary_goes_step_by_step() -> None:
    """One, then five more, then the rest; each step waits for those before it."""
    assert decided(CAREFUL, Tally()) == (RequeueReason.CANARY_STEP, 1)
    assert decided(CAREFUL, Tally(requeued=1)) == (RequeueReason.CANARY_RUNNING, None)
    assert decided(CAREFUL, Tally(requeued=1, succeeded=1)) == (RequeueReason.CANARY_STEP, 6)
    assert decided(CAREFUL, Tally(requeued=3, succeeded=1)) == (RequeueReason.CANARY_STEP, 6)
    assert decided(CAREFUL, Tally(requeued=6, succeeded=3)) == (RequeueReason.CANARY_RUNNING, None)
    assert decided(CAREFUL, Tally(requeued=6, succeeded=3, failed=3)) == (RequeueReason.ALL, 100)


def test_a_step_is_given_up_as_soon_as_it_can_only_fail() -> None:
    """What still runs cannot save it."""
    assert decided(CAREFUL, Tally(requeued=1, failed=1)) == (RequeueReason.CANARY_FAILED, None)
    assert decided(CAREFUL, Tally(requeued=6, succeeded=1, failed=4)) == (RequeueReason.CANARY_FAILED, None)


def test_after_the_canary_failures_stop_nothing() -> None:
    """The judgement was made; what follows is the fleet's everyday work."""
    assert decided(CAREFUL, Tally(requeued=7, failed=7)) == (RequeueReason.ALL, 100)


def test_a_canary_of_fewer_jobs_than_a_step_is_judged_nevertheless() -> None:
    """Three jobs in all are as good a proof as there is."""
    assert decided(CAREFUL, Tally(requeued=3, succeeded=1), is_exhausted=True) == (RequeueReason.CANARY_RUNNING, None)
    assert decided(CAREFUL, Tally(3, 1, 2), is_exhausted=True) == (RequeueReason.CANARY_FAILED, None)
    assert decided(CAREFUL, Tally(3, 2, 1), is_exhausted=True) == (RequeueReason.NOTHING_LEFT, None)


def test_nothing_to_requeue_is_no_failure() -> None:
    """An empty filter's job is done."""
    assert decided(CAREFUL, Tally(), is_exhausted=True) == (RequeueReason.NOTHING_LEFT, None)


def test_the_stage_is_named() -> None:
    """People see how far it is."""
    stages = [stage_of(CAREFUL, Tally(requeued=count)) for count in (0, 1, 2, 6, 7)]
    assert stages == ["canary 1 of 2", "canary 1 of 2", "canary 2 of 2", "canary 2 of 2", "all"]
    assert stage_of(AT_ONCE, Tally()) == "all"


@given(
    steps=st.lists(st.integers(1, 20), min_size=1, max_size=4),
    limit=st.integers(1, 60),
    matching=st.integers(0, 80),
    rate=st.floats(0, 1),
    fails=st.lists(st.booleans(), min_size=80, max_size=80),
)
def test_every_order_comes_to_its_end(
    steps: list[int], limit: int, matching: int, rate: float, fails: list[bool]
) -> None:
    """Played through, it ends within its limit; it stops early only for failures, and never leaves a job out else."""
    order = RequeueOrder(RequeueFilter(), canary=Canary(tuple(steps), rate), limit=limit)
    requeued, ended, is_exhausted = 0, 0, False
    for _ in range(500):
        failed = sum(fails[:ended])
        decision = decide_requeue(order, Tally(requeued, ended - failed, failed), is_exhausted=is_exhausted)
        if decision.reason is RequeueReason.CANARY_RUNNING:
            ended += 1
        elif decision.up_to is not None:
            assert requeued < decision.up_to <= limit
            is_exhausted = requeued == matching
            requeued = min(decision.up_to, matching)
        else:
            break
    else:
        raise AssertionError("it goes on for ever")
    if decision.is_over:
        assert requeued == min(matching, limit)
    else:
        assert sum(fails[:ended]) > rate * requeued
