"""What a ping means; pure. The words and rules are those of Healthchecks."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from shared.domain.monitor.schedules import Schedule
from shared.domain.monitor.standing import Look
from shared.domain.target.outcome import Outcome

_MILLISECOND = timedelta(milliseconds=1)


class PingKind(StrEnum):
    """What a ping says."""

    SUCCESS = "success"
    START = "start"
    FAIL = "fail"
    LOG = "log"


@dataclass(frozen=True, slots=True)
class Ping:
    """A sign of life that came at `at` (whole milliseconds).

    `run_id` tells runs apart, `exit_status` is the program's (0 to 255), `told_ms` a duration that the sender measured.
    """

    kind: PingKind
    at: datetime
    run_id: UUID | None = None
    exit_status: int | None = None
    told_ms: float | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What is waited for: a sign of life by `expected_at`, since `armed_at`; a run that began at `started_at`."""

    schedule: Schedule
    grace: timedelta
    pinged_at: datetime | None = None
    armed_at: datetime | None = None
    expected_at: datetime | None = None
    started_at: datetime | None = None
    run_id: UUID | None = None

    def expected_after(self, moment: datetime) -> datetime:
        """Until when the sign of life after `moment` has to come: a period later, or the next time of the cron."""
        if self.schedule.interval is not None:
            return moment + self.schedule.interval + self.grace
        return self.schedule.next_after(moment) + self.grace


@dataclass(frozen=True, slots=True)
class Heard:
    """What a ping changes; `look` is what it says of the target, if anything. `duration_ms` is its run's."""

    heartbeat: Heartbeat
    look: Look | None = None
    duration_ms: float | None = None


def hear(heartbeat: Heartbeat, ping: Ping, *, last_at: datetime | None, begun_at: datetime | None = None) -> Heard:
    """Take a ping in. `last_at` is when the latest look was, `begun_at` when the run began that the ping names.

    A ping that is older than the latest one says nothing any more. One that was judged missing while it was on its way
    counts as having come just after that.
    """
    if ping.kind is PingKind.LOG:
        return Heard(heartbeat)
    is_late = heartbeat.pinged_at is not None and ping.at < heartbeat.pinged_at
    if ping.kind is PingKind.START:
        return Heard(heartbeat if is_late else _begin(heartbeat, ping))
    duration_ms = _duration_of(heartbeat, ping, begun_at)
    if is_late:
        return Heard(heartbeat, duration_ms=duration_ms)
    at = behind(ping.at, last_at)
    ended = _end(heartbeat, ping, at)
    return Heard(ended, _look_of(ping, at, ended.expected_at), duration_ms)


def _begin(heartbeat: Heartbeat, ping: Ping) -> Heartbeat:
    """A run has begun and has to end within the grace; who begins again and again gets no more time by it."""
    until = ping.at + heartbeat.grace
    if heartbeat.started_at is not None and heartbeat.expected_at is not None:
        until = min(until, heartbeat.expected_at)
    return replace(heartbeat, armed_at=ping.at, expected_at=until, started_at=ping.at, run_id=ping.run_id)


def _end(heartbeat: Heartbeat, ping: Ping, at: datetime) -> Heartbeat:
    """A run has ended, or somebody lives; another run that goes on still has to end in its own time."""
    until = heartbeat.expected_after(at)
    started_at = heartbeat.started_at
    if started_at is not None and ping.run_id not in {None, heartbeat.run_id}:
        running_until = max(started_at + heartbeat.grace, at + _MILLISECOND)
        return replace(heartbeat, pinged_at=ping.at, armed_at=at, expected_at=min(until, running_until))
    return replace(heartbeat, pinged_at=ping.at, armed_at=at, expected_at=until, started_at=None, run_id=None)


def _duration_of(heartbeat: Heartbeat, ping: Ping, begun_at: datetime | None) -> float | None:
    if ping.told_ms is not None:
        return ping.told_ms
    is_latest = ping.run_id == heartbeat.run_id or ping.run_id is None
    began = heartbeat.started_at if is_latest and heartbeat.started_at is not None else begun_at
    return (ping.at - began) / _MILLISECOND if began is not None and began <= ping.at else None


def _look_of(ping: Ping, at: datetime, covers_until: datetime | None) -> Look:
    if ping.kind is PingKind.SUCCESS:
        return Look(at, Outcome.UP, covers_until, message=ping.message)
    if ping.exit_status is not None:
        return Look(at, Outcome.DOWN, covers_until, "exit_status", f"the run ended with exit status {ping.exit_status}")
    return Look(at, Outcome.DOWN, covers_until, "ping_failed", ping.message or "the ping said that the run has failed")


def behind(at: datetime, last_at: datetime | None) -> datetime:
    """A look is later than the one before it."""
    return at if last_at is None or at > last_at else last_at + _MILLISECOND
