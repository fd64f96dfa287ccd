"""Where a job's time went: spans that follow each other without gap or overlap, from its submission to its end."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise

from shared.domain.job.jobs import AttemptOutcome, JobState

NO_TIME = timedelta(0)
_UNHEARD = frozenset({AttemptOutcome.LOST, AttemptOutcome.FENCED})


class TimeSegment(StrEnum):
    """What a job's time can go into; each moment of its life belongs to one of them."""

    SCHEDULED = "scheduled"
    """From its submission until it was first due."""
    RETRY_WAIT = "retry_wait"
    """From an attempt's end until it was due again."""
    PROMOTE = "promote"
    """From due until upkeep queued it."""
    BLOCKED = "blocked"
    """Queued, and held back by a pause or a limit."""
    RING = "ring"
    """Queued, until a worker took it."""
    CLAIM = "claim"
    """From the worker's taking it until it had the lease."""
    RUN = "run"
    """An attempt's work."""
    LOST = "lost"
    """An attempt whose worker fell silent, until somebody noticed."""
    RECORD = "record"
    """From the end of the work until that was written down."""


@dataclass(frozen=True, slots=True)
class JobLife:
    """A job's own moments; `blocked_since` is set while it is held back, `worker_id` while it runs."""

    created_at: datetime
    state: JobState
    run_at: datetime
    attempt: int = 0
    queued_at: datetime | None = None
    blocked_ms: float = 0.0
    blocked_since: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    worker_id: str | None = None


@dataclass(frozen=True, slots=True)
class AttemptTimes:
    """An attempt's moments; see `Attempt`."""

    attempt: int
    worker_id: str
    outcome: AttemptOutcome
    due_at: datetime | None
    queued_at: datetime | None
    blocked_ms: float
    claim_ms: float
    started_at: datetime
    finished_at: datetime
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Span:
    """One span of a job's life, and the attempt and worker it belongs to, where it does."""

    segment: TimeSegment
    started_at: datetime
    duration: timedelta
    attempt: int | None = None
    worker_id: str | None = None


@dataclass(frozen=True, slots=True)
class Timeline:
    """A job's life in spans; their durations add up to `duration` exactly."""

    started_at: datetime
    duration: timedelta
    spans: tuple[Span, ...]

    @property
    def totals(self) -> dict[TimeSegment, timedelta]:
        """How much time went into each segment, those of none included."""
        totals = dict.fromkeys(TimeSegment, NO_TIME)
        for span in self.spans:
            totals[span.segment] += span.duration
        return totals


def timeline_of(life: JobLife, attempts: Iterable[AttemptTimes], *, now: datetime) -> Timeline:
    """Divide a job's life; that of a living one goes until `now`.

    The clocks of the API, the workers and the database may differ by milliseconds: a moment that lies before the one
    it follows counts as the same.
    """
    tried = sorted(attempts, key=lambda attempt: attempt.started_at)
    walk = _Walk(life.created_at, life.finished_at or now)
    for attempt, following in pairwise([*tried, None]):
        if attempt is not None:
            walk.through(attempt, until=_next_queued_at(life, attempt, following))
    walk.to_the_end(life)
    return Timeline(life.created_at, walk.end - life.created_at, tuple(walk.spans))


def _next_queued_at(life: JobLife, attempt: AttemptTimes, following: AttemptTimes | None) -> datetime | None:
    """When the job waited for its next attempt already: a late result may be written long after that."""
    if following is not None:
        return following.queued_at or following.started_at
    if life.queued_at is not None and life.queued_at > attempt.started_at:
        return life.queued_at
    return None


class _Walk:
    """Goes from moment to moment, never back."""

    def __init__(self, start: datetime, end: datetime) -> None:
        self.at = start
        self.end = max(start, end)
        self.spans: list[Span] = []
        self._wait = TimeSegment.SCHEDULED

    def to(self, moment: datetime | None, segment: TimeSegment, of: AttemptTimes | None = None) -> None:
        """Go on to `moment`, unless that lies behind."""
        until = self.at if moment is None else min(moment, self.end)
        if until > self.at:
            attempt, worker_id = (of.attempt, of.worker_id) if of else (None, None)
            self.spans.append(Span(segment, self.at, until - self.at, attempt, worker_id))
            self.at = until

    def through(self, attempt: AttemptTimes, *, until: datetime | None) -> None:
        """Go through an attempt's wait and its work, at most `until` then."""
        taken_at = attempt.started_at - timedelta(milliseconds=attempt.claim_ms)
        self.to(_least(attempt.due_at, taken_at), self._wait)
        self.to(_least(attempt.queued_at, taken_at), TimeSegment.PROMOTE)
        self.to(_least(self.at + timedelta(milliseconds=attempt.blocked_ms), taken_at), TimeSegment.BLOCKED)
        self.to(taken_at, TimeSegment.RING)
        self.to(attempt.started_at, TimeSegment.CLAIM, attempt)
        if attempt.outcome in _UNHEARD:
            self.to(_least(attempt.recorded_at, until), TimeSegment.LOST, attempt)
        else:
            self.to(_least(attempt.finished_at, until), TimeSegment.RUN, attempt)
            self.to(_least(attempt.recorded_at, until), TimeSegment.RECORD, attempt)
        self._wait = TimeSegment.RETRY_WAIT

    def to_the_end(self, life: JobLife) -> None:
        """Go through what no attempt tells of: the wait that lasts, or was ended, and the attempt that runs."""
        running_since = life.started_at if life.state is JobState.RUNNING else None
        waited_until = running_since or self.end
        self.to(_least(life.run_at, waited_until), self._wait)
        if life.queued_at is None:
            self.to(waited_until, TimeSegment.PROMOTE)
        self.to(_least(life.queued_at, waited_until), TimeSegment.PROMOTE)
        blocked = timedelta(milliseconds=life.blocked_ms)
        if life.blocked_since is not None:
            blocked += max(self.end - life.blocked_since, NO_TIME)
        self.to(_least(self.at + blocked, waited_until), TimeSegment.BLOCKED)
        self.to(waited_until, TimeSegment.RING)
        if self.at < self.end:
            self.spans.append(Span(TimeSegment.RUN, self.at, self.end - self.at, life.attempt, life.worker_id))


def _least(moment: datetime | None, bound: datetime | None) -> datetime | None:
    if moment is None or bound is None:
        return moment
    return min(moment, bound)
