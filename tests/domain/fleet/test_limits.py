"""Who may start under a limit."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from shared.domain.fleet.limits import Claimant, Limit, Rate, Standing, decide_admission, decide_claims
from shared.domain.job.jobs import BlockReason

NOW = datetime(2030, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
TEN_A_SECOND = Limit("k", rate=Rate(10, SECOND))


@pytest.mark.parametrize(
    ("running", "promised", "wanted", "count"),
    [(0, 0, 5, 2), (1, 0, 5, 1), (2, 0, 5, 0), (3, 0, 5, 0), (0, 1, 5, 1), (1, 1, 5, 0), (0, 0, 1, 1), (0, 0, 0, 0)],
)
def test_no_more_start_than_there_are_places(running: int, promised: int, wanted: int, count: int) -> None:
    """Those that run and those that were let go take places; a limit below what runs already gives none."""
    admission = decide_admission(Limit("k", max_running=2), running=running, promised=promised, wanted=wanted, now=NOW)
    assert admission.count == count
    assert admission.reason is (BlockReason.CONCURRENCY if count < wanted else None)


def test_a_rate_lets_a_burst_go() -> None:
    """Ten a second: ten at once."""
    admission = decide_admission(TEN_A_SECOND, running=0, wanted=25, now=NOW)
    assert (admission.count, admission.reason) == (10, BlockReason.RATE)


@pytest.mark.parametrize("tries_a_second", [3, 10, 40, 1000])
@pytest.mark.parametrize("rate", [Rate(10, SECOND), Rate(7, SECOND), Rate(1, 2 * SECOND), Rate(90_000, 60 * SECOND)])
def test_a_rate_is_kept_however_often_it_is_asked(rate: Rate, tries_a_second: int) -> None:
    """Over any time no more than a burst and what the rate gives start, and never a whole start less than it gives."""
    limit = Limit("k", rate=rate)
    started = 0
    for step in range(4 * tries_a_second + 1):
        now = NOW + step * SECOND / tries_a_second
        admission = decide_admission(limit, running=0, wanted=100_000, now=now)
        limit = Limit("k", rate=rate, tat=admission.tat)
        started += admission.count
        assert started <= rate.max + (now - NOW) / rate.per * rate.max + 1e-6
    # Between two questions no more than a burst is kept for later.
    assert started >= min(rate.max, rate.max / rate.per.total_seconds() / tries_a_second) * 4 * tries_a_second - 1


def test_a_rate_that_was_not_used_gives_no_more_than_one_burst() -> None:
    """An hour of silence is not made up for."""
    old = Limit("k", rate=Rate(10, SECOND), tat=NOW - timedelta(hours=1))
    assert decide_admission(old, running=0, wanted=100, now=NOW).count == 10


def test_starts_that_were_promised_are_kept_for_those_they_were_promised_to() -> None:
    """A rate counts who was let go and not claimed yet, without paying for them twice."""
    admission = decide_admission(TEN_A_SECOND, running=0, wanted=25, promised=4, now=NOW)
    assert admission.count == 6
    assert admission.tat == NOW + timedelta(milliseconds=600)


@pytest.mark.parametrize(
    ("max_running", "reason"), [(3, BlockReason.CONCURRENCY), (10, BlockReason.CONCURRENCY), (11, BlockReason.RATE)]
)
def test_of_two_limits_the_nearer_one_is_named(max_running: int, reason: BlockReason) -> None:
    """A key may have both; what is told is what has to change first."""
    limit = Limit("k", max_running=max_running, rate=Rate(10, SECOND))
    admission = decide_admission(limit, running=0, wanted=25, now=NOW)
    assert (admission.count, admission.reason) == (min(max_running, 10), reason)


def claimant(number: int, *, priority: int = 4, has_place: bool = False) -> Claimant:
    return Claimant(UUID(int=number), priority, NOW + timedelta(seconds=number), has_place)


def standing(running: int = 0, promised: int = 0, *, has_blocked: bool = False) -> Standing:
    return Standing(running, promised, has_blocked, NOW)


def test_the_best_priority_goes_first_then_the_oldest() -> None:
    """Whatever order the rings came in."""
    claimants = [claimant(3), claimant(1), claimant(4, priority=9), claimant(2)]
    verdict = decide_claims(Limit("k", max_running=2), claimants, standing())
    assert verdict.admitted == (UUID(int=4), UUID(int=1))
    assert verdict.held == (UUID(int=2), UUID(int=3))
    assert verdict.reason is BlockReason.CONCURRENCY


def test_a_newcomer_does_not_overtake_those_held_back() -> None:
    """There is room, but it belongs to others, who are let go by the next release."""
    verdict = decide_claims(Limit("k", max_running=2), [claimant(1)], standing(has_blocked=True))
    assert (verdict.admitted, verdict.held) == ((), (UUID(int=1),))
    assert verdict.reason is BlockReason.CONCURRENCY


def test_who_was_let_go_starts_though_others_are_held() -> None:
    """Its place was kept; a newcomer beside it waits."""
    claimants = [claimant(1), claimant(2, has_place=True)]
    verdict = decide_claims(Limit("k", max_running=2), claimants, standing(1, 1, has_blocked=True))
    assert (verdict.admitted, verdict.held) == ((UUID(int=2),), (UUID(int=1),))


def test_a_place_kept_for_another_is_not_given_away() -> None:
    """One runs, one was let go and its ring is under way: both places are taken."""
    verdict = decide_claims(Limit("k", max_running=2), [claimant(1)], standing(1, 1))
    assert verdict.held == (UUID(int=1),)


def test_a_limit_that_was_lowered_holds_back_who_was_let_go_before() -> None:
    """A kept place is no right to exceed the limit."""
    verdict = decide_claims(Limit("k", max_running=1), [claimant(1, has_place=True)], standing(1, 1))
    assert (verdict.held, verdict.reason) == ((UUID(int=1),), BlockReason.CONCURRENCY)


def test_a_start_is_paid_for_when_it_happens() -> None:
    """The rate's clock moves by those who start, not by those who are held."""
    verdict = decide_claims(TEN_A_SECOND, [claimant(number) for number in range(12)], standing())
    assert len(verdict.admitted) == 10
    assert verdict.tat == NOW + SECOND
