"""A monitor's samples as they are shown and exported: with their metrics by name, and why one was not up."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.domain.target.outcome import Outcome


@dataclass(frozen=True, slots=True)
class SeriesInfo:
    """A series and what it is of; without `monitor_id` the target of a job. `name` is the monitor's or the target's."""

    series_id: int
    kind: str
    name: str
    group: str = ""
    monitor_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class ShownSample:
    """A sample; `duration_ms` in milliseconds. `code` and `message` say why it was not up, as long as it is known."""

    at: datetime
    outcome: Outcome
    duration_ms: float | None
    metrics: Mapping[str, float]
    code: str | None
    message: str | None
