"""What it means that no ping came; pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.domain.durations import format_duration
from shared.domain.heartbeat.pings import Heartbeat, behind
from shared.domain.monitor.standing import Look
from shared.domain.target.outcome import Outcome

DEAF_AFTER = timedelta(seconds=10)
"""Nobody was there to be pinged for longer than this: what came then is lost, however often clients try again."""


@dataclass(frozen=True, slots=True)
class Ears:
    """When somebody was there to be pinged: until `heard_at`, but for the `deaf` spans (start and end, in order)."""

    heard_at: datetime | None
    deaf: Sequence[tuple[datetime, datetime]] = ()

    def deaf_within(self, first: datetime, last: datetime) -> tuple[datetime, datetime] | None:
        """From when to when nobody listened, as far as it reaches into the time from `first` to `last`."""
        inside = [span for span in self.deaf if span[0] < last and span[1] > first]
        return (inside[0][0], max(span[1] for span in inside)) if inside else None


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
    at = behind(expected_at, last_at)
    waiting = replace(heartbeat, armed_at=expected_at, expected_at=_next_wait(heartbeat, expected_at, now))
    return waiting, Look(at, Outcome.DOWN, waiting.expected_at, *_reason_of(heartbeat, expected_at))


def _forgive(
    heartbeat: Heartbeat, deaf: tuple[datetime, datetime], *, last_at: datetime | None
) -> tuple[Heartbeat, Look]:
    start, end = deaf
    until = heartbeat.expected_after(end)
    waiting = replace(heartbeat, armed_at=end, expected_at=until, started_at=None, run_id=None)
    message = "no process of the API was there to be pinged; a full period has to be listened to again"
    return waiting, Look(behind(start, last_at), Outcome.ERROR, until, "not_listening", message)


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
