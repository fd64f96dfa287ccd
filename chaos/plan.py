"""What is done to a Tocsin, and when: drawn from a seed, so that a run that found something can be had again."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Blow(StrEnum):
    """One thing that happens."""

    KILL_WORKER = "kill_worker"
    TERMINATE_WORKER = "terminate_worker"
    STOP_WORKER = "stop_worker"
    """SIGSTOP past its lease, then SIGCONT."""
    KILL_API = "kill_api"
    FLUSHALL = "flushall"
    VALKEY_RESTART = "valkey_restart"
    POSTGRES_RESTART = "postgres_restart"
    POSTGRES_STALL = "postgres_stall"
    """SIGSTOP of the whole server, then SIGCONT."""


WEIGHTS = {
    Blow.KILL_WORKER: 6,
    Blow.TERMINATE_WORKER: 3,
    Blow.STOP_WORKER: 4,
    Blow.KILL_API: 2,
    Blow.FLUSHALL: 2,
    Blow.VALKEY_RESTART: 1,
    Blow.POSTGRES_RESTART: 1,
    # It takes longer than many of the others together.
    Blow.POSTGRES_STALL: 0.3,
}
"""How often each happens, against the others."""

PAUSE_SECONDS = (0.3, 2.5)
"""The least and the most between two blows."""


@dataclass(frozen=True, slots=True)
class PlannedBlow:
    """A blow, which worker it falls on, and how long nothing happens before it."""

    blow: Blow
    worker: int
    pause_seconds: float


def plan(seed: int, *, workers: int) -> Iterator[PlannedBlow]:
    """Blows without end; each kind comes once before chance decides, so that a short run has met them all."""
    chance = random.Random(seed)
    first = list(Blow)
    chance.shuffle(first)
    while True:
        blow = first.pop() if first else chance.choices(list(WEIGHTS), weights=list(WEIGHTS.values()))[0]
        yield PlannedBlow(blow, chance.randrange(workers), chance.uniform(*PAUSE_SECONDS))
