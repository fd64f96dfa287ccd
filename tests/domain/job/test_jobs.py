"""The transition table and the retry decision."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.job.jobs import (
    RETRY_POLICIES,
    TERMINAL_STATES,
    TRANSITIONS,
    Failure,
    JobKind,
    JobState,
    RetryReason,
    decide_retry,
)
from shared.domain.job.leases import MAX_LOST_ATTEMPTS, RescueReason, decide_rescue

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
FLEETING = Failure("timeout", "it took too long")


def decide(failure: Failure = FLEETING, **changes: object) -> tuple[JobState, RetryReason, datetime | None]:
    known = {"kind": JobKind.NOTIFY, "attempt": 1, "max_attempts": 10, "now": NOW, "draw": 0.5} | changes
    decision = decide_retry(failure, **known)  # type: ignore[arg-type]
    return decision.state, decision.reason, decision.retry_at


def test_every_state_has_its_transitions() -> None:
    """No state is forgotten in the table, and what it leads to are states of the table."""
    assert set(TRANSITIONS) == set(JobState)
    assert all(ends <= set(JobState) for ends in TRANSITIONS.values())


def test_terminal_states_lead_nowhere() -> None:
    """A job that has ended stays ended."""
    assert {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED, JobState.EXPIRED} == TERMINAL_STATES


def test_only_queued_jobs_are_started() -> None:
    """Running is reached by a claim of a queued job and by nothing else."""
    assert {state for state in JobState if JobState.RUNNING in TRANSITIONS[state]} == {JobState.QUEUED}


@pytest.mark.parametrize("state", sorted(set(JobState) - {JobState.SCHEDULED}))
def test_every_state_but_the_first_can_be_reached(state: JobState) -> None:
    """There is no state that a job cannot come to."""
    assert any(state in ends for ends in TRANSITIONS.values())


def test_a_permanent_failure_is_not_tried_again() -> None:
    """When trying again cannot help, the job fails at its first attempt."""
    assert decide(Failure("gone", "410", is_permanent=True)) == (JobState.FAILED, RetryReason.PERMANENT, None)


def test_the_last_attempt_ends_the_job() -> None:
    """Every retry has an end."""
    assert decide(attempt=10) == (JobState.FAILED, RetryReason.ATTEMPTS_EXHAUSTED, None)


def test_the_other_side_may_say_when() -> None:
    """A `Retry-After` is kept to the second."""
    asked = Failure("busy", "503", retry_after=timedelta(seconds=120))
    assert decide(asked) == (JobState.RETRYING, RetryReason.RETRY_AFTER, NOW + timedelta(seconds=120))


def test_the_other_side_may_not_say_never() -> None:
    """A `Retry-After` of a year is cut to the kind's cap."""
    asked = Failure("busy", "503", retry_after=timedelta(days=365))
    assert decide(asked)[2] == NOW + RETRY_POLICIES[JobKind.NOTIFY].cap


@given(
    kind=st.sampled_from(JobKind),
    attempt=st.integers(1, 10_000),
    draw=st.floats(0, 1, exclude_max=True),
)
def test_backoff_lies_between_now_and_the_cap(kind: JobKind, attempt: int, draw: float) -> None:
    """Full jitter: the delay is drawn from nothing to base·2ⁿ⁻¹, never beyond the cap, for any number of attempts."""
    state, reason, retry_at = decide(kind=kind, attempt=attempt, max_attempts=20_000, draw=draw)
    policy = RETRY_POLICIES[kind]
    assert (state, reason) == (JobState.RETRYING, RetryReason.BACKOFF)
    assert retry_at is not None
    assert timedelta(0) <= retry_at - NOW <= min(policy.cap, policy.base * 2 ** min(attempt - 1, 30))


def rescue(**changes: object) -> tuple[JobState, RescueReason]:
    known = {"attempt": 1, "max_attempts": 5, "lost_attempts": 1, "is_cancel_requested": False} | changes
    decision = decide_rescue(**known)  # type: ignore[arg-type]
    return decision.state, decision.reason


def test_a_lost_job_is_queued_again() -> None:
    """A worker that vanishes costs its job one attempt, not its life."""
    assert rescue() == (JobState.QUEUED, RescueReason.LEASE_EXPIRED)


def test_a_job_that_kills_its_workers_is_stopped() -> None:
    """Poison is recognised by the workers it took down, before its attempts are used up."""
    assert rescue(lost_attempts=MAX_LOST_ATTEMPTS) == (JobState.FAILED, RescueReason.CRASH_LOOP)


def test_a_lost_last_attempt_ends_the_job() -> None:
    """A lost attempt is spent."""
    assert rescue(attempt=5) == (JobState.FAILED, RescueReason.ATTEMPTS_EXHAUSTED)


def test_a_lost_job_that_was_to_be_cancelled_is_cancelled() -> None:
    """Nobody waits for a second run of what they no longer want."""
    assert rescue(is_cancel_requested=True, attempt=5) == (JobState.CANCELLED, RescueReason.CANCEL_REQUESTED)
