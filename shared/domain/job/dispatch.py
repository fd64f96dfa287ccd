"""The dispatches of queued jobs, as the database remembers them and as Redis has them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from shared.domain.job.jobs import Ring

MAX_DISPATCH_NO = 2**31 - 1


class RepairReason(StrEnum):
    """Why upkeep put a ring into Redis, or took one out."""

    UNRUNG = "unrung"
    """Its ring never came: a crash after the commit, a full buffer, Redis away."""
    EPOCH = "epoch"
    """Redis began a new life: restarted, wiped, or another server took over."""
    MISSING = "missing"
    """Redis lost this one: evicted, or taken by a worker that died before it claimed."""
    STALE = "stale"
    """Its job has ended, is unknown, or was dispatched anew."""


@dataclass(frozen=True, slots=True)
class RungJob:
    """A queued job whose ring went to Redis at `dispatched_at`, or a moment after."""

    ring: Ring
    dispatched_at: datetime


@dataclass(frozen=True, slots=True)
class Dispatch:
    """What a ring's id names."""

    job_id: UUID
    dispatch_no: int


def dispatch_of(ring_id: str) -> Dispatch | None:
    """The dispatch that `{job_id}:{dispatch_no}` names; None for what is no ring of ours."""
    job_id, _, dispatch_no = ring_id.rpartition(":")
    try:
        dispatch = Dispatch(UUID(job_id), int(dispatch_no))
    except ValueError:
        return None
    return dispatch if 0 < dispatch.dispatch_no <= MAX_DISPATCH_NO else None
