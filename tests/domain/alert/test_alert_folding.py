"""What changes make of alerts, whatever order they come in."""

import pytest
from alert_data import ends, fires, pends, subject_of
from uuid_utils.compat import uuid7

from shared.domain.alert.alert_folding import effect_on, fold_changes
from shared.domain.alert.alerts import AlertState, Transition

PEND, FIRE, CLEAR, RESOLVE, NONE = (
    Transition.PEND,
    Transition.FIRE,
    Transition.CLEAR,
    Transition.RESOLVE,
    Transition.NONE,
)


@pytest.mark.parametrize(
    ("state", "effects"),
    [
        (None, {PEND: PEND, FIRE: FIRE, CLEAR: NONE, RESOLVE: NONE}),
        (AlertState.PENDING, {PEND: NONE, FIRE: FIRE, CLEAR: CLEAR, RESOLVE: CLEAR}),
        (AlertState.FIRING, {PEND: NONE, FIRE: NONE, CLEAR: RESOLVE, RESOLVE: RESOLVE}),
        (AlertState.RESOLVED, {PEND: NONE, FIRE: NONE, CLEAR: NONE, RESOLVE: NONE}),
    ],
)
def test_a_transition_does_what_the_state_allows(
    state: AlertState | None, effects: dict[Transition, Transition]
) -> None:
    """What fired is resolved, what did not is cleared, and nothing is done twice."""
    assert {transition: effect_on(state, transition) for transition in effects} == effects
    assert effect_on(state, NONE) is NONE


def test_all_that_is_said_of_a_second_alert_is_done_to_the_open_one() -> None:
    """Under the first one's id, its end too, which names no fingerprint."""
    first, second = pends(subject_of()), fires(subject_of(), minute=1)
    folded = fold_changes([], [first, second, ends(second.alert_id, minute=2)])
    assert [(step.change.alert_id, step.change.transition) for step in folded.steps] == [
        (first.alert_id, PEND),
        (first.alert_id, FIRE),
        (first.alert_id, RESOLVE),
    ]
    assert folded.adopted == {second.alert_id: first.alert_id}
    assert folded.added == {first.alert_id}


def test_a_change_without_a_subject_opens_nothing() -> None:
    """There would be nothing to say of it."""
    folded = fold_changes([], [ends(uuid7(), minute=1)])
    assert (folded.steps, folded.standings) == ([], {})


def test_of_one_fingerprint_a_new_life_follows_the_end_of_another() -> None:
    """And other fingerprints are alerts of their own."""
    first, other = fires(subject_of()), fires(subject_of(1))
    second = fires(subject_of(), minute=2)
    folded = fold_changes([], [first, other, ends(first.alert_id, minute=1), second])
    states = {alert_id: standing.state for alert_id, standing in folded.standings.items()}
    assert states == {
        first.alert_id: AlertState.RESOLVED,
        other.alert_id: AlertState.FIRING,
        second.alert_id: AlertState.FIRING,
    }
    assert not folded.adopted
