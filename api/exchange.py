"""One request and its answer, as the front, the hot path and the routes share it."""

from dataclasses import dataclass, field
from typing import cast

from starlette.types import Scope

from shared.domain.access import Principal
from shared.domain.traces import TraceContext

_KEY = "tocsin.exchange"
UNMATCHED = "unmatched"
"""The route of what matched none: a path never becomes a label, or a scan would make endless series."""


SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
)
"""On every answer, for what is no page; a page puts its own into its exchange."""


@dataclass(slots=True)
class Exchange:
    """What is known of a request while it is answered. `started` is the performance counter's time in seconds."""

    request_id: str
    started: float
    headers: dict[bytes, bytes] = field(repr=False)
    method: str = "GET"
    """As it was sent; a `HEAD` is answered as a `GET` without its body."""
    principal: Principal | None = None
    """Who sends it; None until the gate has let it in."""
    trace: TraceContext | None = None
    """Whose trace it is part of, its own span being the latest, if tracing is on or the client is in one."""
    route: str = ""
    status: int = 0
    body_bytes: int = 0
    security_headers: tuple[tuple[bytes, bytes], ...] = SECURITY_HEADERS


def put_exchange(scope: Scope, exchange: Exchange) -> None:
    """Let what is called with `scope` find the exchange."""
    scope[_KEY] = exchange


def exchange_of(scope: Scope) -> Exchange:
    """The exchange that `scope` belongs to."""
    return cast(Exchange, scope[_KEY])


def route_of(scope: Scope) -> str:
    """The template of the route that answered."""
    return getattr(scope.get("route"), "path_format", UNMATCHED)
