"""How many workers a queue needs, and what limits it when more of them would not help."""

import math
from dataclasses import dataclass
from enum import StrEnum

from shared.domain.fleet.queues import QueueFigures
from shared.domain.job.jobs import BlockReason

UTILISATION = 0.8
"""How busy slots are meant to be: above it, waiting grows faster than load does (M/M/c)."""
DRAIN_TARGET_SECONDS = 60.0
"""In how long a backlog should be worked off."""
MORE_WORKERS = 2
"""How many more workers the counterfactual asks about."""


class LimitedBy(StrEnum):
    """What keeps a queue from going faster."""

    WORKERS = "workers"
    LIMIT_KEY = "limit_key"
    RATE = "rate"
    PAUSED = "paused"
    ADMISSION = "admission"
    """It refuses submissions, so that nobody knows how many there would be."""
    NOTHING = "nothing"


class ScalingReason(StrEnum):
    """Which term decided how many slots are desired."""

    IDLE = "idle"
    STEADY = "steady"
    """What arrives keeps this many slots busy."""
    BACKLOG = "backlog"
    """What waits is to be worked off in time."""
    IN_FLIGHT = "in_flight"
    """What runs needs this many; with fewer it would be interrupted."""
    UNMEASURED = "unmeasured"
    """Nothing has ended lately: as many again as there are, while jobs wait."""
    HELD = "held"
    """Only what runs counts: more workers would find nothing that may start."""


@dataclass(frozen=True, slots=True)
class Scaling:
    """How many slots and workers a queue should have, why, and what two more workers would change."""

    desired_slots: int
    desired_workers: int
    reason: ScalingReason
    limited_by: LimitedBy
    counterfactual: str


def decide_scaling(
    figures: QueueFigures, *, slots_per_worker: int, is_paused: bool = False, is_refusing: bool = False
) -> Scaling:
    """Decide how many workers a queue needs.

    By Little's law what arrives keeps λ·S slots busy; to that comes what works the backlog off in time. What runs is
    never below it, so that scaling in interrupts nothing. Jobs held back by a pause or by limits are no backlog.
    """
    slots, reason = _slots_of(figures, slots_per_worker=slots_per_worker, is_paused=is_paused)
    workers = math.ceil(slots / slots_per_worker)
    limited_by = _limit_of(figures, is_short=workers > figures.workers, is_paused=is_paused, is_refusing=is_refusing)
    told = _counterfactual(figures, more_slots=MORE_WORKERS * slots_per_worker, is_paused=is_paused)
    return Scaling(slots, workers, reason, limited_by, f"+{MORE_WORKERS} workers: {told}")


def _slots_of(figures: QueueFigures, *, slots_per_worker: int, is_paused: bool) -> tuple[int, ScalingReason]:
    is_held = is_paused or (figures.held_by_limits > 0 and not figures.waiting)
    if is_held:
        return figures.running, ScalingReason.HELD
    service = figures.service_mean_seconds
    if service is None:
        if not figures.waiting:
            return figures.running, ScalingReason.IN_FLIGHT if figures.running else ScalingReason.IDLE
        more = min(figures.waiting, max(figures.slots, slots_per_worker))
        return figures.running + more, ScalingReason.UNMEASURED
    steady = figures.arrivals.per_second * service / UTILISATION
    # No more slots than jobs, however long each of them takes.
    backlog = figures.waiting * min(service / DRAIN_TARGET_SECONDS, 1.0)
    needed = math.ceil(steady + backlog)
    if needed <= figures.running:
        return figures.running, ScalingReason.IN_FLIGHT if figures.running else ScalingReason.IDLE
    return needed, ScalingReason.BACKLOG if backlog > steady else ScalingReason.STEADY


def _limit_of(figures: QueueFigures, *, is_short: bool, is_paused: bool, is_refusing: bool) -> LimitedBy:
    if is_paused:
        return LimitedBy.PAUSED
    if is_short:
        return LimitedBy.WORKERS
    if figures.held_by_limits:
        is_rate = figures.blocked.get(BlockReason.RATE, 0) > figures.blocked.get(BlockReason.CONCURRENCY, 0)
        return LimitedBy.RATE if is_rate else LimitedBy.LIMIT_KEY
    return LimitedBy.ADMISSION if is_refusing else LimitedBy.NOTHING


def _counterfactual(figures: QueueFigures, *, more_slots: int, is_paused: bool) -> str:
    if is_paused:
        return "no gain, nothing starts while the queue is paused"
    if not figures.waiting and figures.held_by_limits:
        return f"no gain, all {figures.held_by_limits} waiting jobs are held by limits of their keys"
    if not figures.waiting:
        return "no gain, nothing waits for a worker"
    now = _drain_text(figures, slots=figures.slots)
    then = _drain_text(figures, slots=figures.slots + more_slots)
    if now is None or then is None:
        return "not known, nothing has ended in the last minute"
    return f"what waits is worked off {then} instead of {now}"


def _drain_text(figures: QueueFigures, *, slots: int) -> str | None:
    """In how long so many slots work the waiting jobs off while others arrive; None when nothing was measured."""
    if figures.service_mean_seconds is None:
        return None
    surplus = slots / max(figures.service_mean_seconds, 0.001) - figures.arrivals.per_second
    return "never" if surplus <= 0 else f"in {figures.waiting / surplus:.1f} s"
