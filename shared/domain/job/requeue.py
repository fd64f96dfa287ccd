"""Running ended jobs anew: which ones, how carefully, and when to stop."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import accumulate
from uuid import UUID

from shared.domain.job.jobs import JobState

MAX_REQUEUED = 100_000
"""The most jobs that one order requeues."""
MAX_STEP = 500
"""The most jobs of one canary step; a step is one transaction."""


@dataclass(frozen=True, slots=True)
class RequeueChanges:
    """What of a job is not as it was; None keeps it, and has it due now."""

    run_at: datetime | None = None
    max_attempts: int | None = None
    priority: int | None = None


@dataclass(frozen=True, slots=True)
class RequeueFilter:
    """Which ended jobs to requeue; an empty field does not narrow. Those that were requeued already never match."""

    states: tuple[JobState, ...] = (JobState.FAILED,)
    kind: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    fingerprint: str | None = None
    error_code: str | None = None
    finished_after: datetime | None = None
    finished_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Canary:
    """A few first: `steps` jobs each time, going on while at most `max_failure_rate` of them failed again."""

    steps: tuple[int, ...] = (1, 5)
    max_failure_rate: float = 0.5


@dataclass(frozen=True, slots=True)
class RequeueOrder:
    """What a requeue job is to do: at most `limit` jobs that the filter finds, the first to have ended first."""

    filter: RequeueFilter
    canary: Canary | None = None
    limit: int = MAX_REQUEUED


@dataclass(frozen=True, slots=True)
class Requeued:
    """An ended job and the new one that was made of it."""

    old_id: UUID
    new_id: UUID


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of the jobs requeued so far; `failed` ended without success, the rest has not ended."""

    requeued: int = 0
    succeeded: int = 0
    failed: int = 0

    @property
    def live(self) -> int:
        """How many have not ended."""
        return self.requeued - self.succeeded - self.failed


class RequeueReason(StrEnum):
    """Why a requeue job goes on, waits, or is over."""

    CANARY_STEP = "canary_step"
    CANARY_RUNNING = "canary_running"
    """The jobs of a step have not ended."""
    CANARY_FAILED = "canary_failed"
    ALL = "all"
    LIMIT_REACHED = "limit_reached"
    NOTHING_LEFT = "nothing_left"


@dataclass(frozen=True, slots=True)
class RequeueDecision:
    """What a requeue job does next; `up_to` is how many jobs are to be requeued in all, None unless it goes on."""

    reason: RequeueReason
    up_to: int | None = None

    @property
    def is_over(self) -> bool:
        """Whether everything that was asked for is done."""
        return self.reason in {RequeueReason.LIMIT_REACHED, RequeueReason.NOTHING_LEFT}


def decide_requeue(order: RequeueOrder, tally: Tally, *, is_exhausted: bool) -> RequeueDecision:
    """Decide what follows; `is_exhausted` says that nothing matches any more.

    It stands on the number of jobs alone, so that a job whose worker died goes on where it was. A step is judged when
    it is whole, over all jobs requeued until then, and as soon as it can only fail.
    """
    stops = _stops(order)
    if stops and tally.requeued <= stops[-1] and (is_exhausted or tally.requeued in stops):
        assert order.canary is not None  # noqa: S101 - without a canary there are no stops
        if tally.failed > order.canary.max_failure_rate * tally.requeued:
            return RequeueDecision(RequeueReason.CANARY_FAILED)
        if tally.live:
            return RequeueDecision(RequeueReason.CANARY_RUNNING)
    if tally.requeued >= order.limit:
        return RequeueDecision(RequeueReason.LIMIT_REACHED)
    if is_exhausted:
        return RequeueDecision(RequeueReason.NOTHING_LEFT)
    step = next((stop for stop in stops if stop > tally.requeued), None)
    if step is None:
        return RequeueDecision(RequeueReason.ALL, order.limit)
    return RequeueDecision(RequeueReason.CANARY_STEP, step)


def stage_of(order: RequeueOrder, tally: Tally) -> str:
    """How far an order is: `canary 1 of 2`, or `all`."""
    stops = _stops(order)
    for number, stop in enumerate(stops, 1):
        if tally.requeued <= stop:
            return f"canary {number} of {len(stops)}"
    return "all"


def _stops(order: RequeueOrder) -> list[int]:
    """After how many jobs in all a step is judged."""
    if order.canary is None:
        return []
    return sorted({min(stop, order.limit) for stop in accumulate(order.canary.steps)})
