"""Why the firing of an alert is not told for now; a resolve is never held back, and rules go on judging."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class SuppressionKind(StrEnum):
    """What holds a notice back."""

    SILENCE = "silence"
    MAINTENANCE = "maintenance"
    INHIBITION = "inhibition"
    """Another alert fires that explains this one."""
    DEPENDENCY = "dependency"
    """A monitor that this one depends on is down."""
    QUIET_HOURS = "quiet_hours"
    CHANNEL_DISABLED = "channel_disabled"


@dataclass(frozen=True, slots=True)
class Suppression:
    """One thing that holds a notice back: its id where it has one, its name, and until when if that is known."""

    kind: SuppressionKind
    name: str
    id: str | None = None
    until: datetime | None = None
