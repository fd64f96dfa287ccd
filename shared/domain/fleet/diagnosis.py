"""A finding of `tocsin doctor`: ok, a warning or a failure, with what to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

DISK_WARNED_FRACTION = 0.1
DISK_FAILED_BYTES = 256 * 1024**2


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's: what was looked at, what was found and, unless it is well, what to do."""

    name: str
    level: Level
    message: str
    advice: str = ""


def judge_disk(name: str, *, free_bytes: int, total_bytes: int) -> Finding:
    """Whether the servers of a data directory have room to write."""
    message = f"{free_bytes / 2**30:.1f} of {total_bytes / 2**30:.1f} GiB free at {name}"
    if free_bytes < DISK_FAILED_BYTES:
        return Finding("disk", Level.FAIL, message, "make room: PostgreSQL stops when it cannot write")
    if free_bytes < total_bytes * DISK_WARNED_FRACTION:
        return Finding("disk", Level.WARN, message, "make room soon, or keep less: TOCSIN_STORAGE_CAP, TOCSIN_JOB_DAYS")
    return Finding("disk", Level.OK, message)


def worst_of(findings: Sequence[Finding]) -> Level:
    """The level of the worst."""
    order = list(Level)
    return max((finding.level for finding in findings), key=order.index, default=Level.OK)
