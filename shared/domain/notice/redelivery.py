"""Which notices are told anew under the id they had; pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from shared.domain.notice.notices import NoticeState

REDELIVERABLE = frozenset({NoticeState.FAILED, NoticeState.CANCELLED})
"""What was given up. What was delivered is not told again, and what has not ended is on its way."""


class Refusal(StrEnum):
    """Why a notice is not redelivered."""

    STATE = "state"
    """It was delivered, had nothing to tell, or is on its way."""
    GROUP_BUSY = "group_busy"
    """Another notice of its group is on its way: two at once could arrive in the wrong order."""
    CHANNEL_DISABLED = "channel_disabled"
    CHANNEL_DELETED = "channel_deleted"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A notice that somebody wants told anew, and what that depends on."""

    notice_id: UUID
    channel_id: UUID
    group_id: UUID | None
    job_id: UUID
    state: NoticeState
    is_group_busy: bool
    is_channel_disabled: bool
    is_channel_deleted: bool


@dataclass(frozen=True, slots=True)
class RedeliveryFilter:
    """Which failed notices to tell anew; an empty field does not narrow. The times are those of their ends."""

    channel_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None


def decide_redelivery(letter: DeadLetter) -> Refusal | None:
    """None when the notice may be told anew."""
    if letter.state not in REDELIVERABLE:
        return Refusal.STATE
    if letter.is_channel_deleted:
        return Refusal.CHANNEL_DELETED
    if letter.is_channel_disabled:
        return Refusal.CHANNEL_DISABLED
    return Refusal.GROUP_BUSY if letter.is_group_busy else None
