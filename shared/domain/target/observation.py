"""What a collector saw, before conditions judge it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

CIRCUIT_OPEN = "circuit_open"
"""The code of a look that was not taken, because others at the same endpoint have just timed out."""


class Blame(StrEnum):
    """Whose trouble a fault is; ours is never shown as the target's."""

    TARGET = "target"
    OURS = "ours"


@dataclass(frozen=True, slots=True)
class Fault:
    """Why nothing could be read: a named `code` (`timeout`, `blocked_by_policy`, …), a sentence, and whose fault."""

    code: str
    message: str
    blame: Blame = Blame.TARGET


@dataclass(frozen=True, slots=True)
class Observation:
    """The facts of one try at a target.

    `values` are what conditions may speak of by placeholder (`STATUS`, `BODY`, `VALUE`, `SIZE`, …): numbers (times in
    milliseconds, sizes in bytes, ages in seconds), strings, booleans or JSON. `metrics` are the numbers kept with the
    sample, under names that the collector declares. A `fault` says that the target could not be read (whole).
    """

    duration_ms: float
    values: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    fault: Fault | None = None
