"""How much scheduled collection the workers can do, what limits it, and how many more of them are needed; pure."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache

from shared.domain.monitor.schedules import Schedule

BUSY = 0.8
"""How busy a core and slots are meant to be: above it, waiting grows faster than load does (M/M/c)."""
IDLE = 0.5
"""Workers in an overload that use less than this of both wait for something else."""
MEASURABLE = 10.0
"""Looks a second from which on their cost stands out from what a worker needs anyway."""
_CRON_SLOTS = 50
_SINCE = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class CapacityFigures:
    """What is scheduled and what is done.

    `scheduled_per_second` looks are due, and by their latest durations `busy_looks` of them are under way at any
    moment. `workers` are those that take rounds; together they took `checks_per_second` looks in the last minute, and
    used `cpu_share` cores. Each takes `slots_per_worker` looks at once at most.
    """

    monitors: int
    scheduled_per_second: float
    busy_looks: float
    workers: int
    checks_per_second: float
    cpu_share: float
    slots_per_worker: int
    overloaded_since: datetime | None


class CapacityLimit(StrEnum):
    """What keeps the workers from doing more."""

    WORKERS = "workers"
    """There is none."""
    CPU = "cpu"
    """Their cores."""
    SLOTS = "slots"
    """How many looks they may take at once."""
    DATABASE = "database"
    """Neither: they wait, most likely for the database."""
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Capacity:
    """How many looks a second the workers can take, what is left of that, and what would help.

    What is possible is None where nothing was measured.
    """

    possible_per_second: float | None
    headroom_per_second: float | None
    limited_by: CapacityLimit
    add_workers: int
    advice: str


def decide_capacity(figures: CapacityFigures) -> Capacity:
    """Decide what limits the workers, from what they did lately.

    A look costs what looks have cost: by the core that they took, and by the slots that they held (Little's law).
    """
    if not figures.workers:
        return _without_workers(figures)
    cpu = _cpu_needed(figures)
    slots = figures.busy_looks / figures.slots_per_worker
    needed = max(cpu or 0.0, slots) / BUSY
    possible = None
    if figures.scheduled_per_second and figures.checks_per_second >= MEASURABLE:
        possible = figures.workers * figures.scheduled_per_second / needed
    headroom = None if possible is None else possible - figures.scheduled_per_second
    scarce = CapacityLimit.CPU if (cpu or 0.0) >= slots else CapacityLimit.SLOTS
    is_overloaded = figures.overloaded_since is not None
    is_waiting = max(cpu or 0.0, slots) < IDLE * figures.workers
    if is_overloaded and is_waiting:
        return Capacity(possible, headroom, CapacityLimit.DATABASE, 0, _WAITING)
    add = max(math.ceil(needed) - figures.workers, int(is_overloaded))
    if not add:
        return Capacity(possible, headroom, CapacityLimit.NOTHING, 0, "the workers keep up")
    return Capacity(possible, headroom, scarce, add, f"add {_workers(add)}; {_SHORT[scarce]}")


_WAITING = (
    "more workers would not help: neither their cores nor their slots are used up; look at the database's load and disk"
)
_SHORT = {
    CapacityLimit.CPU: "the cores of those there are do not suffice",
    CapacityLimit.SLOTS: "or let each take more at once (TOCSIN_TARGET_SLOTS); their slots do not suffice",
}


def _without_workers(figures: CapacityFigures) -> Capacity:
    if not figures.monitors:
        return Capacity(None, None, CapacityLimit.NOTHING, 0, "nothing is scheduled, and no worker runs")
    return Capacity(None, None, CapacityLimit.WORKERS, 1, "add 1 worker; none takes rounds")


def _cpu_needed(figures: CapacityFigures) -> float | None:
    """How many cores what is scheduled takes, by what looks have cost; None when none was taken lately."""
    if not figures.checks_per_second:
        return None
    return figures.cpu_share * max(1.0, figures.scheduled_per_second / figures.checks_per_second)


def _workers(count: int) -> str:
    return f"{count} worker{'s' if count > 1 else ''}"


@lru_cache(maxsize=65_536)
def slots_per_second(schedule: Schedule) -> float:
    """How often a schedule comes, on average; of a cron expression over its next slots of 2026."""
    if schedule.interval is not None:
        return 1 / schedule.interval.total_seconds()
    first = slot = schedule.next_after(_SINCE)
    for _ in range(_CRON_SLOTS):
        slot = schedule.next_after(slot)
    return _CRON_SLOTS / (slot - first).total_seconds()
