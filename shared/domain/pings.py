"""What a ping means, and what it means that none came; pure. The words and rules are those of Healthchecks."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from shared.domain.durations import format_duration
from shared.domain.outcome import Outcome
from shared.domain.schedules import Schedule
from shared.domain.standing import Look

DEAF_AFTER = timedelta(seconds=10)
"""Nobody was there to be pinged for longer than this: what came then is lost, however often clients try again."""

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


@dataclass(frozen=True, slots=True)
class Ears:
    """When somebody was there to be pinged: until `heard_at`, but for the `deaf` spans (start and end, in order)."""

    heard_at: datetime | None
    deaf: Sequence[tuple[datetime, datetime]] = ()

    def deaf_within(self, first: datetime, last: datetime) -> tuple[datetime, datetime] | None:
        """From when to when nobody listened, as far as it reaches into the time from `first` to `last`."""
        inside = [span for span in self.deaf if span[0] < last and span[1] > first]
        return (inside[0][0], inside[-1][1]) if inside else None


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
    at = _behind(ping.at, last_at)
    ended = _end(heartbeat, ping, at)
    return Heard(ended, _look_of(ping, at, ended.expected_at), duration_ms)


def judge_silence(
    heartbeat: Heartbeat, *, last_at: datetime | None, now: datetime, ears: Ears
) -> tuple[Heartbeat, tuple[Look, ...]]:
    """What it means that no sign of life came, once it is overdue; no look while it is not.

    Silence is the target's fault only where somebody listened all the time. Otherwise nothing is known from the moment
    on when nobody did, and the wait begins anew.
    """
    looks: list[Look] = []
    while heartbeat.expected_at is not None and heartbeat.expected_at < now:
        judged = _judge_once(heartbeat, heartbeat.expected_at, last_at=last_at, now=now, ears=ears)
        if judged is None:
            break
        heartbeat, look = judged
        looks.append(look)
        last_at = look.at
    return heartbeat, tuple(looks)


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


def _judge_once(
    heartbeat: Heartbeat, expected_at: datetime, *, last_at: datetime | None, now: datetime, ears: Ears
) -> tuple[Heartbeat, Look] | None:
    armed_at = heartbeat.armed_at or expected_at
    heard_at = ears.heard_at or armed_at
    deaf = ears.deaf_within(armed_at, expected_at)
    if deaf is None and heard_at < expected_at:
        # Whether somebody listened until then is told within a second, unless nobody does.
        if now - heard_at <= DEAF_AFTER:
            return None
        deaf = (heard_at, now)
    if deaf is not None:
        return _forgive(heartbeat, deaf, last_at=last_at)
    at = _behind(expected_at, last_at)
    waiting = replace(heartbeat, armed_at=expected_at, expected_at=_next_wait(heartbeat, expected_at, now))
    return waiting, Look(at, Outcome.DOWN, waiting.expected_at, *_reason_of(heartbeat, expected_at))


def _forgive(
    heartbeat: Heartbeat, deaf: tuple[datetime, datetime], *, last_at: datetime | None
) -> tuple[Heartbeat, Look]:
    start, end = deaf
    until = heartbeat.expected_after(end)
    waiting = replace(heartbeat, armed_at=end, expected_at=until, started_at=None, run_id=None)
    message = "no process of the API was there to be pinged; a full period has to be listened to again"
    return waiting, Look(_behind(start, last_at), Outcome.ERROR, until, "not_listening", message)


def _next_wait(heartbeat: Heartbeat, expected_at: datetime, now: datetime) -> datetime:
    """When somebody who is silent is looked at again: silence is told once in each period."""
    interval = heartbeat.schedule.interval
    if interval is not None:
        return expected_at + ((now - expected_at) // interval + 1) * interval
    return heartbeat.schedule.next_after(now) + heartbeat.grace


def _reason_of(heartbeat: Heartbeat, expected_at: datetime) -> tuple[str, str]:
    grace = format_duration(heartbeat.grace)
    if heartbeat.started_at is not None and heartbeat.started_at < expected_at:
        return "run_too_long", f"the run did not end within {grace}"
    if heartbeat.schedule.interval is not None:
        period = format_duration(heartbeat.schedule.interval)
        return "no_ping", f"no ping came within the period of {period} and the grace of {grace}"
    return "no_ping", f"no ping came when the schedule said, nor within the grace of {grace}"


def _behind(at: datetime, last_at: datetime | None) -> datetime:
    """A look is later than the one before it."""
    return at if last_at is None or at > last_at else last_at + _MILLISECOND
