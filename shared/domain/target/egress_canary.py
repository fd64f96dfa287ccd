"""Canaries: places that are always there; when none of them answers, it is our own way out that is broken. Pure."""

from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from shared.domain.target.addresses import parse_address
from shared.domain.target.observation import Blame, Fault

UNREACHED = frozenset(
    {"timeout", "dns_failure", "connection_refused", "connection_lost", "unreachable", "tls_failed", "tls_invalid"}
)
"""The faults of a target that a broken way out looks like; what was answered, however wrong, came in on it."""

EGRESS_DOWN = Fault(
    "egress_down", "the worker itself could not reach the world: none of its canaries answered", Blame.OURS
)
_SCHEMES = ("http", "https")


class EgressState(StrEnum):
    """Whether a worker reaches the world."""

    UNWATCHED = "unwatched"
    """It has no canaries, so nobody knows."""
    OK = "ok"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Canary:
    """A place to be connected to, or, with a `url`, to be asked over HTTP; any answer will do."""

    host: str
    port: int
    url: str | None = None


def parse_canaries(text: str) -> tuple[Canary, ...]:
    """Read `1.1.1.1:53, https://example.org/`; nothing is no canaries.

    Raises:
        ValueError: one of them is written otherwise; the sentence names the setting.
    """
    return tuple(_parse(part.strip()) for part in text.split(",") if part.strip())


def is_near(host: str | None) -> bool:
    """Whether a host is this very machine, a file on it or a socket, so that no way out is needed."""
    if host is None or not host or host.startswith("/") or host.lower().rstrip(".") == "localhost":
        return True
    try:
        address = parse_address(host)
    except ValueError:
        return False
    return address is not None and address.is_loopback


def _parse(text: str) -> Canary:
    is_url = "://" in text
    try:
        parts = urlsplit(text if is_url else f"//{text}")
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
        is_read = parts.hostname and port and (parts.scheme in _SCHEMES if is_url else parts.netloc == text)
    except ValueError:
        is_read = False
    if not is_read:
        raise ValueError(
            f'TOCSIN_CANARIES: "{text[:80]}" is no canary; write for example 1.1.1.1:443 or https://example.org/'
        )
    return Canary(parts.hostname or "", port or 0, text if is_url else None)
