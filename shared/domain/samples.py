"""A sample: what one collection found, tied to the series it belongs to and the job that asked for it."""

from dataclasses import dataclass
from uuid import UUID

from shared.domain.outcome import Reading


@dataclass(frozen=True, slots=True)
class Sample:
    """One reading of the target at `position` in a job's list, to be stored under `series_id`.

    `kind` says in which order the reading's metrics are packed (`shared.domain.kinds.METRICS`).
    """

    job_id: UUID
    position: int
    series_id: int
    kind: str
    reading: Reading
