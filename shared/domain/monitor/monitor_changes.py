"""What is asked for of monitors, one change each, and what comes of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from shared.domain.change_results import CannotSeal, Done, NotDone
from shared.domain.monitor.monitors import Monitor, MonitorSpec
from shared.domain.monitor.standing import MonitorState
from shared.domain.monitor.target_documents import WrongPlaceError

MAX_MONITORS = 200_000
"""The most there may be."""
MAX_CHANGES = 1_000
"""The most changes of one batch."""


@dataclass(frozen=True, slots=True)
class KeptTarget:
    """A target as it is kept: `text` is its JSON, sealed when it holds secrets; `shown` is what people see of it.

    `name` is what its series is called.
    """

    kind: str
    name: str
    text: str
    is_sealed: bool
    shown: Mapping[str, Any]
    secret_names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KeptMonitor:
    """A monitor with its target as it is kept."""

    monitor: Monitor
    target: KeptTarget


@dataclass(frozen=True, slots=True)
class MonitorDraft:
    """A monitor as it is to be written."""

    monitor_id: UUID
    spec: MonitorSpec
    target: KeptTarget
    owner: str | None = None

    @property
    def first_state(self) -> MonitorState:
        """How it stands once it is made."""
        return MonitorState.PAUSED if self.spec.paused else MonitorState.PENDING


@dataclass(frozen=True, slots=True)
class CreateMonitor:
    """Make a monitor whose name is free."""

    monitor_id: UUID
    spec: MonitorSpec
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class PutMonitor:
    """Make the monitor of this group and name, or make it as it is said; a new one gets the id."""

    monitor_id: UUID
    spec: MonitorSpec


@dataclass(frozen=True, slots=True)
class PatchMonitor:
    """Change fields by a merge patch (RFC 7396); None of `versions` allows any."""

    monitor_id: UUID
    patch: Mapping[str, Any]
    versions: frozenset[int] | None = None


@dataclass(frozen=True, slots=True)
class ReplaceMonitor:
    """Make a monitor as it is said, and give it to an owner; None of `versions` allows any."""

    monitor_id: UUID
    spec: MonitorSpec
    owner: str | None
    versions: frozenset[int] | None = None


@dataclass(frozen=True, slots=True)
class PauseMonitor:
    """Stop looking, or look again."""

    monitor_id: UUID
    is_paused: bool


@dataclass(frozen=True, slots=True)
class DeleteMonitor:
    """Forget a monitor; None of `versions` allows any."""

    monitor_id: UUID
    versions: frozenset[int] | None = None


MonitorChange = CreateMonitor | PutMonitor | PatchMonitor | ReplaceMonitor | PauseMonitor | DeleteMonitor


@dataclass(frozen=True, slots=True)
class NamedTwice:
    """An earlier change of the batch names the same monitor."""


@dataclass(frozen=True, slots=True)
class InvalidMonitor:
    """It would be no monitor; the error says where."""

    error: ValidationError | WrongPlaceError


MonitorNotDone = NotDone | CannotSeal | NamedTwice | InvalidMonitor
MonitorResult = Done | MonitorNotDone
