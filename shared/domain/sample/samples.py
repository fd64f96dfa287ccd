"""A sample: what one collection found, tied to the series it belongs to and the job that asked for it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.domain.target.outcome import Reading


@dataclass(frozen=True, slots=True)
class Sample:
    """One reading of the target at `position` in a job's list, to be stored under `series_id`.

    `kind` says in which order the reading's metrics are packed (`shared.domain.target.kinds.METRICS`). A scheduled
    sample has a `slot`: it is kept under it, and only once.
    """

    job_id: UUID
    position: int
    series_id: int
    kind: str
    reading: Reading
    slot: datetime | None = None

    @property
    def at(self) -> datetime:
        """The moment it is kept under: its slot, or when it was collected."""
        return self.slot or self.reading.collected_at
