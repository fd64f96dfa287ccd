"""What a verdict makes of an alert."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.domain.alert.alerts import (
    AlertLife,
    AlertState,
    Flapping,
    NoData,
    Reason,
    Timing,
    Transition,
    Verdict,
    decide_alert,
    end_alert,
)

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
MET, NOT_MET, UNKNOWN = Verdict.MET, Verdict.NOT_MET, Verdict.UNKNOWN


def walk(timing: Timing, *verdicts: tuple[int, Verdict]) -> list[tuple[Transition, Reason]]:
    """What follows from verdicts at minutes, one after the other."""
    life, steps = AlertLife(), []
    for minute, verdict in verdicts:
        decision = decide_alert(life, verdict, at=START + minute * MINUTE, timing=timing)
        life = decision.life
        steps.append((decision.transition, decision.reason))
    return steps


def test_without_a_duration_it_fires_at_once_and_resolves_at_once() -> None:
    """The plainest rule."""
    assert walk(Timing(), (0, MET), (1, MET), (2, NOT_MET), (3, NOT_MET)) == [
        (Transition.FIRE, Reason.MET),
        (Transition.NONE, Reason.STILL_MET),
        (Transition.RESOLVE, Reason.NOT_MET),
        (Transition.NONE, Reason.NOT_MET),
    ]


def test_it_pends_until_the_condition_was_met_long_enough() -> None:
    """And is judged again then, whether anything comes or not."""
    timing = Timing(for_=2 * MINUTE)
    assert walk(timing, (0, MET), (1, MET), (2, MET)) == [
        (Transition.PEND, Reason.NOT_YET_LONG_ENOUGH),
        (Transition.NONE, Reason.NOT_YET_LONG_ENOUGH),
        (Transition.FIRE, Reason.MET_LONG_ENOUGH),
    ]
    assert decide_alert(AlertLife(), MET, at=START, timing=timing).due_at == START + 2 * MINUTE
    assert walk(timing, (0, MET), (1, NOT_MET), (2, MET))[1:] == [
        (Transition.CLEAR, Reason.NOT_MET),
        (Transition.PEND, Reason.NOT_YET_LONG_ENOUGH),
    ]


def test_it_is_kept_firing_for_a_while() -> None:
    """Counted from when the condition was last met."""
    steps = walk(Timing(keep_firing_for=3 * MINUTE), (0, MET), (1, MET), (2, NOT_MET), (4, NOT_MET))
    assert steps[2:] == [(Transition.NONE, Reason.KEPT_FIRING), (Transition.RESOLVE, Reason.NOT_MET)]


@pytest.mark.parametrize(
    ("policy", "inactive", "firing"),
    [
        (NoData.KEEP, (Transition.NONE, Reason.NO_DATA), (Transition.NONE, Reason.NO_DATA)),
        (NoData.OK, (Transition.NONE, Reason.NOT_MET), (Transition.RESOLVE, Reason.NO_DATA)),
        (NoData.FIRING, (Transition.FIRE, Reason.NO_DATA), (Transition.NONE, Reason.STILL_MET)),
    ],
)
def test_without_data_the_policy_decides(
    policy: NoData, inactive: tuple[Transition, Reason], firing: tuple[Transition, Reason]
) -> None:
    """Each of the three, before and after it fired."""
    timing = Timing(no_data=policy)
    assert walk(timing, (0, UNKNOWN)) == [inactive]
    assert walk(timing, (0, MET), (1, UNKNOWN))[1] == firing


def test_one_that_flaps_is_kept_firing_until_it_was_quiet() -> None:
    """The third firing within the time is the one that is held."""
    timing = Timing(flapping=Flapping(fires=3, within=10 * MINUTE, hold=5 * MINUTE))
    verdicts = [(0, MET), (1, NOT_MET), (2, MET), (3, NOT_MET), (4, MET), (5, NOT_MET), (8, NOT_MET), (9, NOT_MET)]
    assert walk(timing, *verdicts)[5:] == [
        (Transition.NONE, Reason.FLAPPING),
        (Transition.NONE, Reason.FLAPPING),
        (Transition.RESOLVE, Reason.NOT_MET),
    ]


def test_an_older_moment_changes_nothing() -> None:
    """Late samples are in the windows, but do not turn back what was judged."""
    life = decide_alert(AlertLife(), MET, at=START, timing=Timing()).life
    assert decide_alert(life, NOT_MET, at=START - MINUTE, timing=Timing()).life is life


@pytest.mark.parametrize(
    ("state", "transition"),
    [(AlertState.FIRING, Transition.RESOLVE), (AlertState.PENDING, Transition.CLEAR), (None, Transition.NONE)],
)
def test_it_ends_with_its_rule_or_monitor(state: AlertState | None, transition: Transition) -> None:
    """Whatever would hold it otherwise."""
    life = AlertLife(state=state, since=START, last_met_at=START, judged_at=START, is_flapping=True)
    assert end_alert(life, Reason.RULE_DELETED, at=START).transition is transition
