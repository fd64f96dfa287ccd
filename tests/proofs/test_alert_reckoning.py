"""The audit of alerts finds what it is there to find."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from chaos.alert_audit import reckon_alerts
from chaos.alert_ledger import AlertReckoning, AlertRecords, Heard, KeptAlert, KeptTelling
from chaos.alerting import DOWN
from chaos.flapping import Mood, spells_of_receiver, spells_of_target

ALERT, MONITOR, FIRE, RESOLVE = (UUID(int=number) for number in range(1, 5))
FIRED_AT = datetime(2026, 6, 1, tzinfo=UTC)
RESOLVED_AT = FIRED_AT + timedelta(seconds=10)
LIFE = KeptAlert(
    alert_id=ALERT,
    rule=DOWN,
    fingerprint=b"f",
    monitor_id=MONITOR,
    shelf="shelf-3",
    state="resolved",
    started_at=FIRED_AT,
    fired_at=FIRED_AT,
    resolved_at=RESOLVED_AT,
    steps=(("fire", FIRED_AT), ("resolve", RESOLVED_AT)),
)
TELLING = KeptTelling(ALERT, "ops", FIRE, RESOLVE, is_held_back=False, is_settled=True)
FIRING = Heard(1, "ops", FIRE, "a", is_taken=True, alerts=((ALERT, "firing"),))
OVER = Heard(2, "ops", RESOLVE, "b", is_taken=True, alerts=((ALERT, "resolved"),))
DOWNS = {MONITOR: [(FIRED_AT, RESOLVED_AT)]}


def judged(
    *heard: Heard, alert: KeptAlert = LIFE, telling: KeptTelling | None = TELLING, downs: object = DOWNS
) -> AlertReckoning:
    notices = {FIRE: "delivered", RESOLVE: "delivered"}
    records = AlertRecords([alert], [telling] if telling else [], notices, downs)  # type: ignore[arg-type]
    return reckon_alerts(records, heard, channels_of=lambda _: frozenset({"ops"}), of_state=DOWN)


def test_a_firing_and_its_resolve_are_clean() -> None:
    """So are a repeat, one that nobody took, both told at once, and what was held back until it was over."""
    assert judged(FIRING, OVER).is_clean
    again = judged(replace(FIRING, is_taken=False), replace(FIRING, number=2), replace(FIRING, number=3), OVER)
    assert (again.is_clean, again.repeats, again.untaken, again.notices) == (True, 1, 1, 2)
    both = replace(TELLING, resolve_notice_id=FIRE)
    assert judged(replace(FIRING, alerts=((ALERT, "resolved"),)), telling=both).is_clean
    held = replace(TELLING, fire_notice_id=None, resolve_notice_id=None, is_held_back=True)
    assert (judged(telling=held).is_clean, judged(telling=held).held_back) == (True, 1)


def test_a_late_repeat_of_a_firing_is_known_by_its_id() -> None:
    """It comes after the resolve, and is no news."""
    assert judged(FIRING, OVER, replace(FIRING, number=3)).is_clean


@pytest.mark.parametrize(
    ("heard", "telling"),
    [
        ([FIRING, OVER], None),
        ([FIRING, OVER], replace(TELLING, is_settled=False)),
        ([], replace(TELLING, fire_notice_id=None)),
        ([OVER], TELLING),
        ([replace(FIRING, is_taken=False), OVER], TELLING),
        ([replace(FIRING, channel="else"), OVER], TELLING),
        ([replace(FIRING, alerts=()), OVER], TELLING),
        ([FIRING], TELLING),
        ([FIRING], replace(TELLING, resolve_notice_id=None)),
    ],
    ids=["owed to nobody", "owed", "untold", "no fire", "refused", "elsewhere", "unnamed", "no resolve", "unwritten"],
)
def test_what_is_lost_is_found(heard: list[Heard], telling: KeptTelling | None) -> None:
    """A firing, or a resolve, that its channel did not take."""
    assert list(judged(*heard, telling=telling).lost) == [("ops", ALERT)]


@pytest.mark.parametrize(
    "heard",
    [
        [FIRING],
        [OVER, replace(FIRING, number=3)],
        [FIRING, OVER, replace(FIRING, number=3, notice_id=UUID(int=9))],
        [FIRING, OVER, replace(OVER, number=3, notice_id=UUID(int=9))],
    ],
    ids=["no resolve", "wrong order", "fired anew", "resolved twice"],
)
def test_what_is_unpaired_is_found(heard: list[Heard]) -> None:
    """What a channel heard of an alert does not end with its one resolve."""
    assert list(judged(*heard).unpaired) == [("ops", ALERT)]


def test_what_is_changed_or_unknown_is_found() -> None:
    """Two wordings under one id, though one of them was refused; and an id that no notice has."""
    assert list(judged(replace(FIRING, digest="x", is_taken=False), FIRING, OVER).changed) == [("ops", FIRE)]
    forged = replace(OVER, number=3, notice_id=UUID(int=9), alerts=())
    assert list(judged(FIRING, OVER, forged).changed) == [("ops", UUID(int=9))]


def test_a_life_out_of_order_is_found() -> None:
    """It never resolved, or did so before it fired, or it began while another one was open."""
    steps = LIFE.steps
    assert judged(FIRING, OVER, alert=replace(LIFE, steps=steps[:1])).illegal
    assert judged(FIRING, OVER, alert=replace(LIFE, steps=(("fire", RESOLVED_AT), ("resolve", FIRED_AT)))).illegal
    other = replace(LIFE, alert_id=UUID(int=7), started_at=FIRED_AT + timedelta(seconds=5), rule="else")
    records = AlertRecords([LIFE, other], [TELLING], {FIRE: "delivered", RESOLVE: "delivered"}, DOWNS)
    found = reckon_alerts(records, [FIRING, OVER], channels_of=lambda _: frozenset(), of_state=DOWN)
    assert list(found.illegal) == [("else", UUID(int=7))]


@pytest.mark.parametrize("downs", [[], [(FIRED_AT, RESOLVED_AT + timedelta(seconds=1))]], ids=["never", "longer"])
def test_what_contradicts_the_timeline_is_found(downs: list[tuple[datetime, datetime]]) -> None:
    """The monitor was not down then; one that is deleted has no timeline to be held against."""
    assert ("down", ALERT) in judged(FIRING, OVER, downs={MONITOR: downs}).contradicting
    assert judged(FIRING, OVER, downs={}).is_clean


def test_a_time_down_without_an_alert_is_found() -> None:
    """Nobody was told of it."""
    later = (RESOLVED_AT + timedelta(seconds=5), RESOLVED_AT + timedelta(seconds=9))
    found = judged(FIRING, OVER, downs={MONITOR: [*DOWNS[MONITOR], later]})
    assert list(found.contradicting) == [("down", MONITOR)]


def test_the_world_is_the_same_for_the_same_seed() -> None:
    """In whatever order it is asked; targets come and go, and receivers have every mood."""
    seconds = range(0, 4_000, 3)
    once, again, other = (spells_of_target(seed, 5) for seed in (1, 1, 2))
    shown = [once.at(second) for second in seconds]
    assert shown == [again.at(second) for second in reversed(seconds)][::-1] != [other.at(second) for second in seconds]
    assert set(shown) == {True, False}
    assert set(map(spells_of_receiver(1, "ops").at, seconds)) == set(Mood)
