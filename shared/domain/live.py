"""What is told live to whoever watches: samples, states and jobs. A hint, never the truth: that is read."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.domain.job.leases import JobChange
from shared.domain.monitor.standing import MonitorState
from shared.domain.target.outcome import Outcome


@dataclass(frozen=True, slots=True)
class SampleTold:
    """A sample of a monitor, as it was committed; `duration_ms` in milliseconds."""

    monitor_id: UUID
    at: datetime
    outcome: Outcome
    duration_ms: float | None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class StateTold:
    """A change of a monitor's state; `at` is from when on."""

    monitor_id: UUID
    at: datetime
    state: MonitorState
    code: str | None = None
    message: str | None = None


LiveEvent = SampleTold | StateTold | JobChange
