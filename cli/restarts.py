"""Decides whether a process that died is started again, and when."""

from dataclasses import dataclass
from typing import Literal

QUICK_SECONDS = 20.0
"""Who lives longer than this has started well, whatever killed it later."""

MAX_QUICK_DEATHS = 5
FIRST_DELAY_SECONDS = 0.5
MAX_DELAY_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class RestartDecision:
    """Start again after `delay_seconds`, or give up; `quick_deaths` is what to remember for the next decision."""

    action: Literal["restart", "give_up"]
    quick_deaths: int
    delay_seconds: float = 0.0


def decide_restart(lived_seconds: float, *, quick_deaths: int) -> RestartDecision:
    """Double the delay with each quick death in a row, and give up at the fifth.

    `quick_deaths` counts those before this one.
    """
    deaths = quick_deaths + 1 if lived_seconds < QUICK_SECONDS else 1
    if deaths >= MAX_QUICK_DEATHS:
        return RestartDecision("give_up", deaths)
    return RestartDecision("restart", deaths, min(FIRST_DELAY_SECONDS * 2 ** (deaths - 1), MAX_DELAY_SECONDS))
