"""Queues: how much waits and how fast it goes, when a queue is empty, and when one takes no more."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from shared.domain.job.jobs import BlockReason

REDIS_PREFIX = "tocsin:"
"""What keeps our queues apart from others in one Redis; people know a queue by the rest of its name."""

LONGEST_RETRY_SECONDS = 300
"""The most that a refused submission is told to wait: what was measured says little of what is further off."""
UNMEASURED_RETRY_SECONDS = 60
"""What is told when nothing has finished lately."""


def queue_name(queue: str) -> str:
    """What people call the queue."""
    return queue.removeprefix(REDIS_PREFIX)


@dataclass(frozen=True, slots=True)
class Flow:
    """Events counted over a time, in seconds."""

    count: int = 0
    seconds: float = 60.0

    @property
    def per_second(self) -> float:
        """The rate."""
        return self.count / self.seconds

    @property
    def deviation(self) -> float:
        """The rate's standard deviation, if the events come independently of each other (Poisson)."""
        return math.sqrt(self.count) / self.seconds


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """What people have set of a queue; `changed_by` and `reason` are of the latest pause, drain or resumption."""

    paused_at: datetime | None = None
    draining_at: datetime | None = None
    changed_by: str | None = None
    reason: str | None = None
    admission_limit: int | None = None


@dataclass(frozen=True, slots=True)
class QueueFigures:
    """How a queue stood at `measured_at`.

    `waiting` jobs are due and wait for a worker; those in `blocked` are held back by a pause or a limit. The service
    times are of what ended lately, in seconds, None when nothing did. `slots` are those of the workers alive.
    """

    measured_at: datetime
    waiting: int = 0
    blocked: Mapping[BlockReason, int] = field(default_factory=dict)
    scheduled: int = 0
    retrying: int = 0
    running: int = 0
    is_estimate: bool = False
    oldest_at: datetime | None = None
    arrivals: Flow = Flow()
    ends: Flow = Flow()
    service_mean_seconds: float | None = None
    service_p50_seconds: float | None = None
    workers: int = 0
    slots: int = 0

    @property
    def depth(self) -> int:
        """All that is due and has not been started: what an admission limit bounds."""
        return self.waiting + sum(self.blocked.values())

    @property
    def held_by_limits(self) -> int:
        """How many jobs limits of their keys hold back."""
        return self.blocked.get(BlockReason.CONCURRENCY, 0) + self.blocked.get(BlockReason.RATE, 0)

    @property
    def oldest_seconds(self) -> float | None:
        """How long the oldest job has waited for a worker."""
        return None if self.oldest_at is None else max((self.measured_at - self.oldest_at).total_seconds(), 0.0)


class ForecastReason(StrEnum):
    """Why a queue is empty when it is, or never."""

    EMPTY = "empty"
    DRAINS = "drains"
    PAUSED = "paused"
    NO_WORKERS = "no_workers"
    NOTHING_ENDS = "nothing_ends"
    """Nothing has ended in the last minute, so that nothing is known."""
    ARRIVALS_OUTPACE_SERVICE = "arrivals_outpace_service"


@dataclass(frozen=True, slots=True)
class Forecast:
    """When a queue is empty; both None is never. `uncertainty_seconds` is one standard deviation."""

    reason: ForecastReason
    seconds: float | None = None
    uncertainty_seconds: float | None = None


def forecast_drain(figures: QueueFigures, settings: QueueSettings) -> Forecast:
    """Forecast when the queue is empty, if jobs go on to come and end as in the last minute."""
    arrivals = Flow() if settings.draining_at else figures.arrivals
    surplus = figures.ends.per_second - arrivals.per_second
    if not figures.depth:
        return Forecast(ForecastReason.EMPTY, 0.0, 0.0)
    if settings.paused_at is not None:
        return Forecast(ForecastReason.PAUSED)
    if not figures.workers:
        return Forecast(ForecastReason.NO_WORKERS)
    if not figures.ends.count:
        return Forecast(ForecastReason.NOTHING_ENDS)
    if surplus <= 0:
        return Forecast(ForecastReason.ARRIVALS_OUTPACE_SERVICE)
    seconds = figures.depth / surplus
    return Forecast(
        ForecastReason.DRAINS, seconds, seconds * math.hypot(figures.ends.deviation, arrivals.deviation) / surplus
    )


class Refusal(StrEnum):
    """Why a queue takes no more."""

    FULL = "full"
    DRAINING = "draining"


@dataclass(frozen=True, slots=True)
class Intake:
    """Whether a queue takes jobs: None when it does. `retry_after_seconds` is when it may do so again."""

    refusal: Refusal | None = None
    retry_after_seconds: int = 0


def decide_intake(figures: QueueFigures, settings: QueueSettings, *, count: int, default_limit: int) -> Intake:
    """Decide whether a queue takes `count` more jobs; how long to wait follows from how fast jobs end."""
    if settings.draining_at is not None:
        return Intake(Refusal.DRAINING, _retry_after(figures.depth, figures.ends))
    limit = settings.admission_limit or default_limit
    excess = figures.depth + count - limit
    if excess <= 0:
        return Intake()
    return Intake(Refusal.FULL, _retry_after(min(excess, figures.depth), figures.ends))


def start_delay_seconds(figures: QueueFigures) -> float:
    """In how many seconds a job that is queued now starts: once those before it have; 1 when nothing was measured."""
    if not figures.ends.count:
        return 1.0
    return figures.waiting / figures.ends.per_second


def _retry_after(jobs: int, ends: Flow) -> int:
    if not ends.count:
        return UNMEASURED_RETRY_SECONDS
    return min(max(math.ceil(jobs / ends.per_second), 1), LONGEST_RETRY_SECONDS)
