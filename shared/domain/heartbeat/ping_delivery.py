"""A ping as it was delivered: through which door, by whom, and with what in its body."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from shared.domain.heartbeat.pings import PingKind


class Door(StrEnum):
    """How a heartbeat is named."""

    PING_ID = "ping_id"
    """Healthchecks' `/ping/{uuid}`."""
    SLUG = "slug"
    """Healthchecks' `/ping/{key}/{slug}`, once the key is known to be one."""
    PUSH_TOKEN = "push_token"  # noqa: S105 - the name of a door
    """Uptime Kuma's `/api/push/{token}`."""


@dataclass(frozen=True, slots=True)
class PingAddress:
    """Which heartbeat is meant."""

    door: Door
    name: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """A ping on its way: what it says, and how it came. `received` is the event loop's time in seconds."""

    address: PingAddress
    kind: PingKind
    received: float
    run_id: UUID | None = None
    exit_status: int | None = None
    told_ms: float | None = None
    message: str | None = None
    scheme: str = "http"
    method: str = "GET"
    user_agent: str = ""
    remote_address: str = ""
    body: bytes | None = None


class PingAnswer(StrEnum):
    """What became of a ping."""

    TAKEN = "taken"
    PAUSED = "paused"
    """Kept, and changes nothing."""
    NOT_FOUND = "not_found"
    AMBIGUOUS = "ambiguous"
    """More than one heartbeat has this slug."""
