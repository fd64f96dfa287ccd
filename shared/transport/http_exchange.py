"""What is asked over HTTP and what comes of it, as frozen values.

They are named tuples: made several times a check, they cost a quarter of what frozen dataclasses do.
"""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

from shared.domain.target.observation import Blame

READ_LIMIT_BYTES = 1024 * 1024
"""The most that is read of a body, counted after inflating; what is longer is cut, which is no fault."""
KEPT_BYTES = 10 * 1024
"""The most of a body that may be kept after the conditions have been judged."""


class HttpRequest(NamedTuple):
    """One question. Header values may be secrets and are never shown; the timeout is over all hops, names included."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = MappingProxyType({})
    body: bytes | None = None
    timeout_seconds: float = 10.0
    follow_redirects: bool = True
    verify_tls: bool = True
    http2: bool = True
    read_limit: int = READ_LIMIT_BYTES


class Trace(NamedTuple):
    """How far an exchange came, summed over its hops; a phase not reached is None. Times are in milliseconds.

    `duration_ms` is from the first look-up to the last byte without our own waiting for a slot. `remote_address` and
    `certificate_expires_at` (of the leaf, also of one that was refused) are those of the last hop.
    """

    duration_ms: float = 0.0
    dns_ms: float | None = None
    connect_ms: float | None = None
    tls_ms: float | None = None
    first_byte_ms: float | None = None
    transfer_ms: float | None = None
    remote_address: str | None = None
    certificate_expires_at: datetime | None = None
    redirects: int = 0
    status: int | None = None


class HttpAnswer(NamedTuple):
    """An answer read to its end or to the limit; header names are in lower case, repeated ones joined by a comma."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_truncated: bool
    http_version: str
    trace: Trace

    @property
    def excerpt(self) -> bytes:
        """The part of the body that may be kept."""
        return self.body[:KEPT_BYTES]


class HttpFault(NamedTuple):
    """Why there is no answer: a named `code`, a sentence without secrets, and whose fault it is."""

    code: str
    message: str
    blame: Blame
    trace: Trace
