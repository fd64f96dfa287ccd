"""From an observation to an outcome."""

from typing import Any

import pytest

from shared.domain.target.judgement import Expectations, judge
from shared.domain.target.judgement import expect as parse_expectations
from shared.domain.target.observation import Blame, Fault, Observation
from shared.domain.target.outcome import Outcome


def expect(kind: str, conditions: list[str], degraded: list[str] | None = None) -> Expectations:
    return parse_expectations(kind, tuple(conditions), tuple(degraded or ()))


GOOD: dict[str, Any] = {"STATUS": 200, "RESPONSE_TIME": 12.0, "CONNECTED": True}


def saw(fault: Fault | None = None, **values: Any) -> Observation:
    return Observation(12.0, values, {}, fault)


REFUSED = Fault("connection_refused", "Nothing listens on 127.0.0.1:1.")
BLOCKED = Fault("blocked_by_policy", "TOCSIN_EGRESS does not allow it.", Blame.OURS)


def test_a_target_that_meets_its_conditions_is_up() -> None:
    """Nothing is said of what is well."""
    verdict = judge(saw(**GOOD), expect("http", ["[STATUS] == 200", "[RESPONSE_TIME] < 300"]))
    assert (verdict.outcome, verdict.code, verdict.message) == (Outcome.UP, None, None)
    assert [result.holds for result in verdict.results] == [True, True]


def test_a_failed_condition_is_down_and_named() -> None:
    """The message spells the failed conditions out, the code names the reason."""
    verdict = judge(saw(**{**GOOD, "STATUS": 503}), expect("http", ["[STATUS] == 200", "[CONNECTED] == true"]))
    assert (verdict.outcome, verdict.code) == (Outcome.DOWN, "condition_failed")
    assert verdict.message == "[STATUS] (503) == 200"


def test_many_failed_conditions_are_counted() -> None:
    """Three are listed, the rest is a number."""
    verdict = judge(saw(STATUS=500), expect("http", [f"[STATUS] == {status}" for status in range(200, 205)]))
    assert verdict.message is not None
    assert verdict.message.count("(500)") == 3
    assert verdict.message.endswith("; and 2 more")


@pytest.mark.parametrize(("status", "outcome"), [(200, Outcome.UP), (399, Outcome.UP), (404, Outcome.DOWN)])
def test_http_implies_a_status_below_400(status: int, outcome: Outcome) -> None:
    """Without a condition on the status an error page is not up."""
    verdict = judge(saw(STATUS=status, RESPONSE_TIME=1.0), expect("http", ["[RESPONSE_TIME] < 300"]))
    assert verdict.outcome is outcome


def test_a_condition_on_the_status_replaces_the_implied_one() -> None:
    """Who expects 404 gets it."""
    assert judge(saw(STATUS=404), expect("http", ["[STATUS] == 404"])).outcome is Outcome.UP


def test_a_failed_lesser_condition_is_degraded() -> None:
    """The target does its work, but not well."""
    expectations = expect("http", ["[STATUS] == 200"], degraded=["[RESPONSE_TIME] < 10"])
    verdict = judge(saw(**GOOD), expectations)
    assert (verdict.outcome, verdict.code) == (Outcome.DEGRADED, "degraded_condition_failed")
    assert verdict.message == "[RESPONSE_TIME] (12.0) < 10"
    assert len(verdict.results) == 2


def test_down_outweighs_degraded() -> None:
    """With both failed the worse is told."""
    expectations = expect("http", ["[STATUS] == 201"], degraded=["[RESPONSE_TIME] < 10"])
    assert judge(saw(**GOOD), expectations).outcome is Outcome.DOWN


def test_a_fault_of_the_target_is_down_with_its_own_reason() -> None:
    """No condition on values that were never read blurs it."""
    verdict = judge(saw(REFUSED, CONNECTED=False), expect("http", ["[STATUS] == 200"]))
    assert (verdict.outcome, verdict.code, verdict.message) == (Outcome.DOWN, REFUSED.code, REFUSED.message)


def test_a_fault_of_ours_is_error_whatever_the_conditions_say() -> None:
    """Our own trouble is never shown as the target's, nor as the absence it was asked for."""
    verdict = judge(saw(BLOCKED, CONNECTED=False), expect("http", ["[CONNECTED] == false"]))
    assert (verdict.outcome, verdict.code) == (Outcome.ERROR, "blocked_by_policy")


@pytest.mark.parametrize(
    ("kind", "placeholder"), [("http", "CONNECTED"), ("database", "CONNECTED"), ("file", "EXISTS")]
)
def test_an_absence_that_is_asked_for_is_up(kind: str, placeholder: str) -> None:
    """A port that must be closed and a file that must be gone can be watched."""
    wanted = expect(kind, [f"[{placeholder}] == false"])
    assert judge(saw(REFUSED, **{placeholder: False}), wanted).outcome is Outcome.UP
    assert judge(saw(**{placeholder: True}, STATUS=200), wanted).outcome is Outcome.DOWN


def test_a_broken_answer_is_not_an_absence() -> None:
    """A handshake that fails after connecting stays down, although the connection was made."""
    fault = Fault("tls_invalid", "The certificate is not trusted.")
    assert judge(saw(fault, CONNECTED=True), expect("http", ["[CONNECTED] == true"])).outcome is Outcome.DOWN
