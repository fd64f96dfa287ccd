"""Limits that jobs share by a key: how many run at once, how many are started in a time, and who goes first."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from shared.domain.job.jobs import BlockReason

PLACE_KEPT = timedelta(seconds=10)
"""How long a job that was let go keeps its place under the limit until a worker claims it."""

# Sums of floats fall a hair short of the whole number they mean.
_HAIR = 1e-9


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `max` starts in any `per`, and as many at once after a pause."""

    max: int
    per: timedelta

    @property
    def interval_seconds(self) -> float:
        """The time from one start to the next when they are spread evenly."""
        return self.per.total_seconds() / self.max


@dataclass(frozen=True, slots=True)
class Limit:
    """What is allowed to the jobs of one key; `tat` is when the next start is due if all were spread evenly."""

    key: str
    max_running: int | None = None
    rate: Rate | None = None
    tat: datetime | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """How the jobs of one key stand at `now`, the database's time.

    `promised` were let go and not claimed yet; `has_blocked` says that others are held back already.
    """

    running: int
    promised: int
    has_blocked: bool
    now: datetime


@dataclass(frozen=True, slots=True)
class Admission:
    """How many jobs may start, and why no more may."""

    count: int
    tat: datetime | None = None
    reason: BlockReason | None = None


def decide_admission(limit: Limit, *, running: int, wanted: int, now: datetime, promised: int = 0) -> Admission:
    """Decide how many of `wanted` jobs may start at `now` while `running` run and `promised` others are about to.

    Rates follow the generic cell rate algorithm (ITU-T I.371) with a burst as large as the rate's `max`: it needs one
    moment instead of a history, and spreads what waits instead of letting all go at the turn of a second.
    """
    places = wanted if limit.max_running is None else max(limit.max_running - running - promised, 0)
    if limit.rate is None:
        is_short = places < wanted
        return Admission(min(places, wanted), limit.tat, BlockReason.CONCURRENCY if is_short else None)
    tat = max(limit.tat or now, now)
    step = limit.rate.interval_seconds
    conforming = math.floor(limit.rate.max - (tat - now).total_seconds() / step + _HAIR) - promised
    count = max(min(places, conforming, wanted), 0)
    tat += timedelta(seconds=count * step)
    if count == wanted:
        return Admission(count, tat)
    return Admission(count, tat, BlockReason.CONCURRENCY if places <= conforming else BlockReason.RATE)


@dataclass(frozen=True, slots=True)
class Claimant:
    """A job whose ring has come; `has_place` when it was held back before and has been let go."""

    job_id: UUID
    priority: int
    run_at: datetime
    has_place: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """Which claimants start and which are held back, and for what; `tat` is the limit's from now on."""

    admitted: tuple[UUID, ...]
    held: tuple[UUID, ...]
    tat: datetime | None
    reason: BlockReason | None = None


def decide_claims(limit: Limit, claimants: Sequence[Claimant], standing: Standing) -> Verdict:
    """Decide who of the claimants of one key starts: who was let go first, then the best priority, then the oldest.

    A newcomer does not overtake those who are held back already.
    """
    ordered = sorted(claimants, key=lambda one: (not one.has_place, -one.priority, one.run_at, one.job_id))
    placed = sum(one.has_place for one in ordered)
    first = decide_admission(limit, running=standing.running, wanted=placed, now=standing.now)
    second = decide_admission(
        replace(limit, tat=first.tat),
        running=standing.running + first.count,
        wanted=len(ordered) - placed,
        now=standing.now,
        promised=max(standing.promised - placed, 0),
    )
    if first.count < placed:
        second = Admission(0, first.tat, first.reason)
    elif standing.has_blocked:
        second = Admission(0, first.tat, second.reason or _reason_of(limit))
    admitted = [one.job_id for one in ordered[: first.count]]
    admitted += [one.job_id for one in ordered[placed : placed + second.count]]
    held = tuple(one.job_id for one in ordered if one.job_id not in admitted)
    return Verdict(tuple(admitted), held, second.tat, second.reason)


def _reason_of(limit: Limit) -> BlockReason:
    return BlockReason.RATE if limit.max_running is None else BlockReason.CONCURRENCY
