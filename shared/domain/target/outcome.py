"""The four outcomes of a collection, and what one collection found."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType


class Outcome(StrEnum):
    """What a collection says of its target; `error` is our own fault and never shown as the target's."""

    UP = "up"
    DEGRADED = "degraded"
    DOWN = "down"
    ERROR = "error"

    @property
    def code(self) -> int:
        """The outcome as the small integer that the database keeps."""
        return OUTCOME_CODES[self]


OUTCOME_CODES: Mapping[Outcome, int] = MappingProxyType(
    {Outcome.UP: 0, Outcome.DEGRADED: 1, Outcome.DOWN: 2, Outcome.ERROR: 3}
)
OUTCOME_OF_CODE: Mapping[int, Outcome] = MappingProxyType({code: outcome for outcome, code in OUTCOME_CODES.items()})


@dataclass(frozen=True, slots=True)
class Reading:
    """What one collection of one target found.

    `duration_ms` is in milliseconds, rounded to a microsecond; `metrics` holds only names that the target's kind
    declares in `METRICS`; `code` is the named reason when the outcome is not `up` (`timeout`, `condition_failed`,
    `blocked_by_policy`, …) and `message` says it in a sentence without secrets. `collected_at` is aware and UTC.
    """

    outcome: Outcome
    duration_ms: float
    collected_at: datetime
    metrics: Mapping[str, float] = field(default_factory=dict)
    code: str | None = None
    message: str | None = None
