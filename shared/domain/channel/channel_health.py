"""When a channel that fails is tried: one notice at a time finds out whether it is back, the others wait; pure."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

THRESHOLD = 5
"""Tries in a row that were not delivered open a channel's circuit."""
TURN = timedelta(seconds=15)
"""While it is open, one try in this time goes through, over all workers together."""
LONGEST_SNOOZE = timedelta(minutes=8)
"""A notice that waits longer would be asked for no sooner: the first delivery makes all of them due."""


class ChannelState(StrEnum):
    """How a channel fares."""

    WORKING = "working"
    FAILING = "failing"
    """Its last try was not delivered."""
    DISABLED = "disabled"
    """Somebody, or its receiver, wants nothing told on it."""


@dataclass(frozen=True, slots=True)
class Noted:
    """What a try made of its channel: `is_healed` when it was delivered after failures, `is_disabled` if it is now."""

    is_healed: bool = False
    is_disabled: bool = False


def state_after(failures: int, *, is_delivered: bool, is_disabled: bool) -> ChannelState | None:
    """What is told of a channel after a try; `failures` are those in a row before it. None when that is nothing new.

    One that fails is told of when its circuit opens, not at each failure, and one that works only after that.
    """
    if is_disabled:
        return ChannelState.DISABLED
    if is_delivered:
        return ChannelState.WORKING if is_circuit_open(failures) else None
    return ChannelState.FAILING if failures + 1 == THRESHOLD else None


def is_circuit_open(failures: int) -> bool:
    """Whether so many failures in a row keep notices waiting."""
    return failures >= THRESHOLD


def snooze_of(snoozes: int, *, draw: float) -> timedelta:
    """How long a notice waits that did so `snoozes` times before; `draw` is a random number in [0, 1)."""
    ceiling: timedelta = min(TURN * 2 ** min(snoozes, 10), LONGEST_SNOOZE)
    return ceiling * (0.5 + draw / 2)
