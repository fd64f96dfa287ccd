"""Ping URLs, read: Healthchecks' `/ping/…` and Uptime Kuma's `/api/push/…`; pure."""

import math
import re
from dataclasses import dataclass
from urllib.parse import parse_qs
from uuid import UUID

from shared.domain.heartbeat.ping_delivery import Door, PingAddress
from shared.domain.heartbeat.pings import PingKind

PING_PREFIX = "/ping/"
PUSH_PREFIX = "/api/push/"

_UUID = r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
_ACTION = r"(?:/(?P<action>start|fail|log|[0-9]{1,5}))?/?"
_BY_ID = re.compile(rf"{PING_PREFIX}(?P<id>{_UUID}){_ACTION}")
_BY_SLUG = re.compile(rf"{PING_PREFIX}(?P<key>[A-Za-z0-9_-]{{22}})/(?P<slug>[a-z0-9_-]{{1,100}}){_ACTION}")
_PUSH = re.compile(rf"{PUSH_PREFIX}(?P<token>[A-Za-z0-9_-]{{1,100}})/?")
_MOST_EXIT_STATUS = 255
_MOST_MESSAGE = 250
"""What Uptime Kuma keeps of a message."""


class PingUrlError(ValueError):
    """The URL is no ping URL; the text is what Healthchecks answers."""


@dataclass(frozen=True, slots=True)
class PingUrl:
    """What a ping URL says. `key` is the ping key that a slug needs, still to be checked."""

    address: PingAddress
    kind: PingKind
    exit_status: int | None = None
    run_id: UUID | None = None
    key: str | None = None
    should_create: bool = False
    told_ms: float | None = None
    message: str | None = None


def is_ping_path(path: str) -> bool:
    """Whether a path is a ping's: who knows it may ping, so that it needs no key and is not to be told."""
    return path.startswith((PING_PREFIX, PUSH_PREFIX))


def masked_path(path: str) -> str:
    """The path as it may be logged: without what opens a ping URL."""
    if path.startswith(PUSH_PREFIX):
        return f"{PUSH_PREFIX}***"
    return f"{PING_PREFIX}***" if path.startswith(PING_PREFIX) else path


def read_ping_url(path: str, query: bytes) -> PingUrl:
    """Read one of Healthchecks' URLs.

    Raises:
        PingUrlError: it is none, or its `rid` is no UUID.
    """
    parameters = _parameters_of(query)
    found = _BY_ID.fullmatch(path)
    if found is not None:
        kind, exit_status = _read_action(found["action"])
        address = PingAddress(Door.PING_ID, found["id"].lower())
        return PingUrl(address, kind, exit_status, _read_run_id(parameters))
    found = _BY_SLUG.fullmatch(path)
    if found is None:
        raise PingUrlError("invalid url format")
    kind, exit_status = _read_action(found["action"])
    return PingUrl(
        PingAddress(Door.SLUG, found["slug"]),
        kind,
        exit_status,
        _read_run_id(parameters),
        key=found["key"],
        should_create=parameters.get("create") == "1",
    )


def read_push_url(path: str, query: bytes) -> PingUrl | None:
    """Read one of Uptime Kuma's URLs; None where it cannot lead anywhere. Any other status than `up` is down there."""
    found = _PUSH.fullmatch(path)
    if found is None:
        return None
    parameters = _parameters_of(query)
    kind = PingKind.SUCCESS if parameters.get("status", "up") == "up" else PingKind.FAIL
    message = parameters.get("msg", "")[:_MOST_MESSAGE] or None
    address = PingAddress(Door.PUSH_TOKEN, found["token"])
    return PingUrl(address, kind, told_ms=_read_milliseconds(parameters.get("ping")), message=message)


def _parameters_of(query: bytes) -> dict[str, str]:
    """The first value of each parameter; what cannot be read is left out."""
    try:
        parsed = parse_qs(query.decode("latin-1"), max_num_fields=100)
    except ValueError:
        return {}
    return {name: values[0] for name, values in parsed.items()}


def _read_action(action: str | None) -> tuple[PingKind, int | None]:
    if action is None:
        return PingKind.SUCCESS, None
    if not action.isdecimal():
        return PingKind(action), None
    exit_status = int(action)
    if exit_status > _MOST_EXIT_STATUS:
        raise PingUrlError("invalid url format")
    return PingKind.FAIL if exit_status else PingKind.SUCCESS, exit_status


def _read_run_id(parameters: dict[str, str]) -> UUID | None:
    given = parameters.get("rid")
    if given is None:
        return None
    if not re.fullmatch(_UUID, given):
        raise PingUrlError("invalid uuid format")
    return UUID(given)


def _read_milliseconds(given: str | None) -> float | None:
    """Uptime Kuma's `ping`; what is no number is as good as none there."""
    try:
        number = float(given or "")
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None
