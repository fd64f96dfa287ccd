"""From when to when something is planned to last, as people say it; pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

MAX_SPAN = timedelta(days=366)
"""What would have to last longer is a rule to be deleted, or a monitor to be paused."""


class SpanError(ValueError):
    """What was said is no time that can still be; `field` is where, the message says what is wrong."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail)
        self.field = field


@dataclass(frozen=True, slots=True)
class PlannedSpan:
    """The time from `starts_at` up to `ends_at`, both aware."""

    starts_at: datetime
    ends_at: datetime


def plan_span(
    starts_at: datetime | None, ends_at: datetime | None, duration: timedelta | None, *, now: datetime
) -> PlannedSpan:
    """The time that is meant by its start, now unless said, and by its end or how long it lasts.

    As in Alertmanager a start that has passed is now: what was told cannot be held back any more.

    Raises:
        SpanError: it is over, has no length, or is longer than `MAX_SPAN`.
    """
    start = now if starts_at is None else max(starts_at, now)
    if ends_at is None and duration is None:
        raise SpanError("ends_at", "give ends_at or duration")
    field = "duration" if ends_at is None else "ends_at"
    if duration is not None and duration > MAX_SPAN:
        raise SpanError(field, f"it lasts {MAX_SPAN.days} days at most")
    end = ends_at or start + (duration or timedelta(0))
    if end <= start:
        raise SpanError(field, "it ends before it begins" if end > now else "it is over already")
    if end - start > MAX_SPAN:
        raise SpanError(field, f"it lasts {MAX_SPAN.days} days at most")
    return PlannedSpan(start, end)
