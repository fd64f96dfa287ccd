"""What is told live to whoever watches; a hint, never the truth: that is read."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.domain.alert.alerts import AlertState
from shared.domain.channel.channel_health import ChannelState
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


@dataclass(frozen=True, slots=True)
class AlertTold:
    """A change of an alert, or of who has acknowledged it; `reason` says which, `at` is from when on."""

    alert_id: UUID
    rule_id: UUID | None
    monitor_id: UUID | None
    state: AlertState
    at: datetime
    name: str
    severity: str
    reason: str


@dataclass(frozen=True, slots=True)
class ChannelTold:
    """A channel fares otherwise than before; `reason` says why it was disabled."""

    channel_id: UUID
    state: ChannelState
    at: datetime
    name: str
    reason: str | None = None


LiveEvent = SampleTold | StateTold | AlertTold | ChannelTold | JobChange
