"""The named steps of a job's walk, so that tests can stop, or kill, a process exactly there."""

from collections.abc import Callable
from enum import StrEnum


class Step(StrEnum):
    """What has just happened; between two of them a crash has a meaning of its own."""

    SUBMITTED = "submitted"
    """The row is committed, the doorbell not rung."""
    TAKEN = "taken"
    """The ring is out of Redis, the job not claimed."""
    CLAIMED = "claimed"
    """The lease is committed, the work not begun."""
    WORKED = "worked"
    """The work is done and its effect is in the world, nothing is recorded."""
    RECORDED = "recorded"
    """The end is committed, nobody is told and what follows is not rung."""


StepHook = Callable[[Step], None]


def no_hook(_: Step) -> None:
    """What a process in service does at each step: nothing."""
