"""What an observation says of its target: the outcome, a named reason and a sentence."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from shared.domain.target.condition_evaluation import ConditionResult, Facts, evaluate
from shared.domain.target.condition_parser import parse_condition
from shared.domain.target.conditions import Condition
from shared.domain.target.kinds import IMPLIED_CONDITIONS, PRESENCE
from shared.domain.target.observation import Blame, Fault, Observation
from shared.domain.target.outcome import Outcome

LISTED_FAILURES = 3
"""How many failed conditions a message spells out."""


@dataclass(frozen=True, slots=True)
class Expectations:
    """The parsed conditions of one target: what makes it `down` and what makes it `degraded`."""

    conditions: tuple[Condition, ...]
    degraded_conditions: tuple[Condition, ...] = ()
    presence: str = ""
    """The placeholder that is false when there is nothing to read."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of an observation; `code` and `message` are None when the target is up.

    `results` are the conditions in their order with the implied ones last, then those of `degraded`; empty when a fault
    left nothing to compare.
    """

    outcome: Outcome
    code: str | None = None
    message: str | None = None
    results: tuple[ConditionResult, ...] = field(default=())


@lru_cache(maxsize=4096)
def expect(kind: str, conditions: tuple[str, ...], degraded_conditions: tuple[str, ...] = ()) -> Expectations:
    """Parse a target's conditions and add those its kind implies where none of them names the same placeholder.

    Raises:
        ConditionSyntaxError: one of them cannot be read.
    """
    parsed = tuple(parse_condition(text, kind) for text in conditions)
    implied = tuple(parse_condition(text, kind) for text in IMPLIED_CONDITIONS.get(kind, ()))
    named = {condition.subject.placeholder for condition in parsed}
    added = tuple(condition for condition in implied if condition.subject.placeholder not in named)
    degraded = tuple(parse_condition(text, kind) for text in degraded_conditions)
    return Expectations(parsed + added, degraded, PRESENCE.get(kind, ""))


def judge(observation: Observation, expectations: Expectations) -> Verdict:
    """Decide the outcome of one observation.

    A fault of ours is `error` whatever the conditions say; a fault of the target is `down`, unless a condition asks
    for just that absence (`[EXISTS] == false`, `[CONNECTED] == false`). Then every condition has to hold (`down`),
    and every one of `degraded` should (`degraded`).
    """
    fault, facts = observation.fault, Facts(observation.values)
    if fault is not None and fault.blame is Blame.OURS:
        return Verdict(Outcome.ERROR, fault.code, fault.message)
    if fault is not None and not _is_absence_wanted(facts, expectations):
        return Verdict(Outcome.DOWN, fault.code, fault.message)
    results = _evaluate(_applicable(fault, expectations), facts)
    if failed := _list_failed(results):
        return Verdict(Outcome.DOWN, "condition_failed", failed, results)
    lesser = _evaluate(expectations.degraded_conditions, facts)
    if failed := _list_failed(lesser):
        return Verdict(Outcome.DEGRADED, "degraded_condition_failed", failed, results + lesser)
    return Verdict(Outcome.UP, results=results + lesser)


def _is_absence_wanted(facts: Facts, expectations: Expectations) -> bool:
    """Whether the target is not there and the conditions want it so."""
    if facts.values.get(expectations.presence) is not False:
        return False
    asked = [
        condition for condition in expectations.conditions if condition.subject.placeholder == expectations.presence
    ]
    return bool(asked) and all(evaluate(condition, facts).holds for condition in asked)


def _applicable(fault: Fault | None, expectations: Expectations) -> tuple[Condition, ...]:
    """With nothing there to read, as wanted, only what speaks of its absence applies; else every condition."""
    if fault is None:
        return expectations.conditions
    return tuple(
        condition for condition in expectations.conditions if condition.subject.placeholder == expectations.presence
    )


def _evaluate(conditions: Iterable[Condition], facts: Facts) -> tuple[ConditionResult, ...]:
    return tuple(evaluate(condition, facts) for condition in conditions)


def _list_failed(results: Sequence[ConditionResult]) -> str:
    """The failed conditions in a sentence, or nothing."""
    failed = [result.shown for result in results if not result.holds]
    listed = "; ".join(failed[:LISTED_FAILURES])
    rest = len(failed) - LISTED_FAILURES
    return f"{listed}; and {rest} more" if rest > 0 else listed
