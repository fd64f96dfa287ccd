import itertools
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.monitor.standing import (
    Folded,
    Look,
    MonitorState,
    Standing,
    StateChange,
    fold,
    fold_pause,
    fold_resume,
    fold_silence,
)
from shared.domain.target.outcome import Outcome

START = datetime(2026, 1, 1, tzinfo=UTC)
STEP = timedelta(seconds=10)
NEW = Standing(MonitorState.PENDING, START)


def slot(number: int) -> datetime:
    return START + number * STEP


def look(number: int, outcome: Outcome) -> Look:
    return Look(slot(number), outcome, slot(number + 1), code=outcome.value)


def retry(number: int, outcome: Outcome) -> Look:
    return Look(slot(number) + timedelta(seconds=3), outcome)


def fold_all(*looks: Look, confirmations: int = 0, standing: Standing = NEW) -> tuple[Folded, list[StateChange]]:
    folded, changes = Folded(standing), []
    for each in looks:
        folded = fold(folded.standing, each, confirmations=confirmations)
        changes += folded.changes
    return folded, changes


def told(changes: list[StateChange]) -> list[tuple[datetime, MonitorState]]:
    return [(change.at, change.state) for change in changes]


def test_states_follow_what_was_found() -> None:
    """Only changes are told, each from its slot on."""
    _, changes = fold_all(
        look(1, Outcome.UP), look(2, Outcome.UP), look(3, Outcome.DOWN), look(4, Outcome.DEGRADED), look(5, Outcome.UP)
    )
    assert told(changes) == [
        (slot(1), MonitorState.UP),
        (slot(3), MonitorState.DOWN),
        (slot(4), MonitorState.DEGRADED),
        (slot(5), MonitorState.UP),
    ]


def test_down_begins_with_the_first_failure_once_it_is_confirmed() -> None:
    """Two confirmations: until the third failure it is up and asked again; then it has been down since the first."""
    folded, changes = fold_all(look(1, Outcome.UP), look(2, Outcome.DOWN), retry(2, Outcome.DOWN), confirmations=2)
    assert folded.needs_confirmation
    assert told(changes) == [(slot(1), MonitorState.UP)]
    folded, changes = fold_all(look(3, Outcome.DOWN), confirmations=2, standing=folded.standing)
    assert told(changes) == [(slot(2), MonitorState.DOWN)]
    assert not folded.needs_confirmation


def test_a_failure_that_is_not_confirmed_was_none() -> None:
    """The count begins anew."""
    folded, changes = fold_all(look(1, Outcome.UP), look(2, Outcome.DOWN), retry(2, Outcome.UP), confirmations=1)
    assert told(changes) == [(slot(1), MonitorState.UP)]
    assert (folded.standing.failing, folded.standing.first_failed_at) == (0, None)


def test_an_error_of_ours_neither_confirms_nor_clears() -> None:
    """A confirmation that fails for our own reasons is asked for again."""
    folded, _ = fold_all(look(1, Outcome.UP), look(2, Outcome.DOWN), retry(2, Outcome.ERROR), confirmations=1)
    assert folded.needs_confirmation
    assert (folded.standing.state, folded.standing.failing) == (MonitorState.UP, 1)


def test_our_own_fault_is_never_down() -> None:
    """Nothing is known from then on, until a look says something."""
    _, changes = fold_all(look(1, Outcome.UP), look(2, Outcome.ERROR), look(3, Outcome.ERROR), look(4, Outcome.UP))
    assert told(changes) == [
        (slot(1), MonitorState.UP),
        (slot(2), MonitorState.NO_DATA),
        (slot(4), MonitorState.UP),
    ]


def test_time_that_was_our_fault_is_not_counted_as_down() -> None:
    """A failure, an error, and the failure confirmed: down since the look after the error, not since before it."""
    _, changes = fold_all(
        look(1, Outcome.UP), look(2, Outcome.DOWN), look(3, Outcome.ERROR), look(4, Outcome.DOWN), confirmations=1
    )
    assert told(changes)[1:] == [(slot(3), MonitorState.NO_DATA), (slot(4), MonitorState.DOWN)]


def test_missed_slots_are_a_gap() -> None:
    """What was known ends with the first slot that was missed."""
    _, changes = fold_all(look(1, Outcome.DOWN), look(5, Outcome.DOWN))
    assert told(changes) == [
        (slot(1), MonitorState.DOWN),
        (slot(2), MonitorState.NO_DATA),
        (slot(5), MonitorState.DOWN),
    ]


def test_silence_ends_what_was_known() -> None:
    """After some patience, from the slot on that did not come; twice is once."""
    folded, _ = fold_all(look(1, Outcome.UP))
    patience = timedelta(seconds=30)
    assert fold_silence(folded.standing, now=slot(2) + timedelta(seconds=29), patience=patience).changes == ()
    silent = fold_silence(folded.standing, now=slot(5), patience=patience)
    assert told(list(silent.changes)) == [(slot(2), MonitorState.NO_DATA)]
    assert fold_silence(silent.standing, now=slot(9), patience=patience).changes == ()
    _, changes = fold_all(look(9, Outcome.UP), standing=silent.standing)
    assert told(changes) == [(slot(9), MonitorState.UP)]


def test_a_late_look_changes_nothing() -> None:
    """Looks may be recorded in another order than they were due in."""
    folded, _ = fold_all(look(1, Outcome.UP), look(3, Outcome.UP))
    assert fold(folded.standing, look(2, Outcome.DOWN), confirmations=0) == Folded(folded.standing)


def test_a_slow_look_that_another_overtakes_is_no_missed_slot() -> None:
    """Somebody asks for a look while that of a slot still waits for its answer: nothing was missed until the next."""
    folded, changes = fold_all(look(1, Outcome.UP), retry(2, Outcome.UP), look(2, Outcome.UP), look(3, Outcome.UP))
    assert told(changes) == [(slot(1), MonitorState.UP)]
    assert folded.standing.covered_until == slot(4)


def test_nobody_looks_at_what_is_paused() -> None:
    """A look that was under way changes nothing; resumed, it is pending, and no gap."""
    folded, _ = fold_all(look(1, Outcome.UP))
    paused = fold_pause(folded.standing, at=slot(2))
    assert fold(paused.standing, look(2, Outcome.DOWN), confirmations=0).changes == ()
    resumed = fold_resume(paused.standing, at=slot(8))
    _, changes = fold_all(look(9, Outcome.UP), standing=resumed.standing)
    assert told([*paused.changes, *resumed.changes, *changes]) == [
        (slot(2), MonitorState.PAUSED),
        (slot(8), MonitorState.PENDING),
        (slot(9), MonitorState.UP),
    ]


def test_what_is_down_stays_down_while_its_endpoint_only_times_out() -> None:
    """Not each of many monitors there is looked at then; what was not known to be down is not said to be."""
    skipped = [Look(slot(number), Outcome.ERROR, slot(number + 1), "circuit_open") for number in (2, 3)]
    folded, changes = fold_all(look(1, Outcome.DOWN), *skipped, look(4, Outcome.DOWN))
    assert told(changes) == [(slot(1), MonitorState.DOWN)]
    assert folded.standing.covered_until == slot(5)
    _, changes = fold_all(look(1, Outcome.UP), *skipped)
    assert told(changes)[-1] == (slot(2), MonitorState.NO_DATA)


def test_a_look_from_before_a_pause_changes_nothing_after_it() -> None:
    """It was under way while its monitor was paused and resumed; the timeline goes forward only."""
    folded, _ = fold_all(look(1, Outcome.UP))
    paused = fold_pause(folded.standing, at=slot(2) + timedelta(seconds=1))
    resumed = fold_resume(paused.standing, at=slot(2) + timedelta(seconds=2)).standing
    assert fold(resumed, look(2, Outcome.DOWN), confirmations=0) == Folded(resumed)


def test_a_look_that_was_asked_for_counts_at_once() -> None:
    """It ends a gap, and what follows it is judged from there on."""
    folded, _ = fold_all(look(1, Outcome.UP))
    silent = fold_silence(folded.standing, now=slot(9), patience=STEP).standing
    _, changes = fold_all(retry(9, Outcome.UP), look(10, Outcome.UP), standing=silent)
    assert told(changes)[0] == (retry(9, Outcome.UP).at, MonitorState.UP)


@given(
    outcomes=st.lists(st.tuples(st.sampled_from(Outcome), st.integers(1, 3)), max_size=30),
    confirmations=st.integers(0, 3),
)
def test_the_timeline_goes_forward_and_changes_only(outcomes: list[tuple[Outcome, int]], confirmations: int) -> None:
    """Each change is to another state, none before the one it follows; and there is no down without a failure."""
    number, looks = 0, []
    for outcome, steps in outcomes:
        number += steps
        looks.append(look(number, outcome))
    folded, changes = fold_all(*looks, confirmations=confirmations)
    moments = [START, *(change.at for change in changes)]
    states = [MonitorState.PENDING, *(change.state for change in changes)]
    assert moments == sorted(moments)
    assert all(before is not after for before, after in itertools.pairwise(states))
    assert (folded.standing.state, folded.standing.since) == (states[-1], moments[-1])
    failed = {each.at for each in looks if each.outcome is Outcome.DOWN}
    assert not any(change.state is MonitorState.DOWN for change in changes) or failed
