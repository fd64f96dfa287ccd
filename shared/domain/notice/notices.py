"""What a channel is told: notices, frozen when they are composed, so that a repeat says the same."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from shared.domain.job.jobs import JobState

MAX_NEWS = 1_000
"""How many alerts that fired or resolved one notice names; the others are left to the next."""
MAX_EVENTS = 50
"""The same for a channel that gets an event for each alert: its receiver takes some hundred a minute, and a try that
posted more would never come to its end."""
MAX_TOLD_ALONG = 100
"""How many that go on firing it names beside them; the others are counted."""
MAX_TOLD_CHARACTERS = 1_000_000
"""About how many characters of labels and annotations it has."""


class NoticeKind(StrEnum):
    """Why a notice was made."""

    ALERT = "alert"
    """Something fired or resolved."""
    REMINDER = "reminder"
    """It still fires."""
    TEST = "test"
    """Somebody asked whether the channel works."""


class NoticeState(StrEnum):
    """Where a notice stands."""

    WAITING = "waiting"
    """For its time; what belongs to its group may still join."""
    COMPOSED = "composed"
    """Its words are fixed; it is tried until it is delivered, or given up."""
    DELIVERED = "delivered"
    FAILED = "failed"
    """Given up: a dead letter, which can be redelivered."""
    CANCELLED = "cancelled"
    EMPTY = "empty"
    """When its time came there was nothing to be told: all of it is suppressed, or was told before."""


def most_news(channel_kind: str) -> int:
    """How many alerts that fired or resolved one notice names on a channel of this kind."""
    return MAX_EVENTS if channel_kind == "pagerduty" else MAX_NEWS


LIVE_NOTICES = frozenset({NoticeState.WAITING, NoticeState.COMPOSED})


def end_of_notice(job_state: JobState | None) -> NoticeState:
    """How a notice ended whose job has; without a job it cannot be delivered any more, and is a dead letter."""
    match job_state:
        case JobState.SUCCEEDED:
            return NoticeState.DELIVERED
        case JobState.CANCELLED:
            return NoticeState.CANCELLED
    return NoticeState.FAILED


CARRIED_ON_FOR = timedelta(hours=12)
LEAST_REST, MOST_REST = timedelta(seconds=5), timedelta(hours=1)


def rest_after_crashes(age: timedelta) -> timedelta | None:
    """How long a notice rests whose job was given up because workers fell silent with it; None: it is given up too.

    Workers also fall silent for what no notice is to blame for, such as a machine that is overloaded: just then people
    have to be told. One that does kill them rests longer each time, half as long as it is old, and not for ever.
    """
    return None if age > CARRIED_ON_FOR else min(max(age / 2, LEAST_REST), MOST_REST)


@dataclass(frozen=True, slots=True)
class ToldAlert:
    """An alert as a notice tells it. `is_news`: this notice is the first to tell that it fires, or that it resolved.

    `ends_at` is None while it fires; `fingerprint` is in hexadecimal; `evidence` are the numbers it fired by.
    """

    alert_id: UUID
    status: str
    is_news: bool
    name: str
    severity: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: datetime
    ends_at: datetime | None
    fingerprint: str
    reason: str
    evidence: Mapping[str, Any]
    generator_url: str | None = None
    is_flapping: bool = False
    acknowledged_by: str | None = None


@dataclass(frozen=True, slots=True)
class NoticeContent:
    """What a notice says, whatever the channel; `status` is `firing` while any of its alerts is.

    `group_key` is the same over all notices of a group, `number` counts them from 1. `truncated` alerts are not named.
    """

    kind: NoticeKind
    status: str
    receiver: str
    group_key: str
    group_labels: Mapping[str, str]
    common_labels: Mapping[str, str]
    common_annotations: Mapping[str, str]
    alerts: tuple[ToldAlert, ...]
    truncated: int
    number: int
    composed_at: datetime
