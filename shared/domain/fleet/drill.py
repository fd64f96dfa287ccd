"""The drill: losses staged on a queue of nobody's, to see them repaired."""

from dataclasses import dataclass
from enum import StrEnum


class DrillCase(StrEnum):
    """What is staged; the names are shown."""

    UNRUNG = "unrung"
    """Jobs are committed and never rung, as by a process that dies in between."""
    DROPPED = "dropped"
    """Rings vanish from Redis."""
    VANISHED = "vanished"
    """A worker claims a job and is not seen again."""
    DUPLICATE = "duplicate"
    """A job is rung twice, and two workers answer at once."""
    LATE = "late"
    """The vanished worker comes back with a result."""


PROMISES = {
    DrillCase.UNRUNG: "a job that was never rung is rung",
    DrillCase.DROPPED: "rings that Redis lost are rung again",
    DrillCase.VANISHED: "a job whose worker vanished is queued and rung again",
    DrillCase.DUPLICATE: "a job that is rung twice is claimed once",
    DrillCase.LATE: "a result that comes after the lease was lost is fenced",
}


@dataclass(frozen=True, slots=True)
class DrillResult:
    """Whether a case held; `seconds` is the time from the loss, or the end of the lease, to the repair."""

    case: DrillCase
    has_held: bool
    seconds: float
    message: str = ""
