"""How far an exchange has come: its phases summed over the hops, and what is left of its timeout."""

from datetime import datetime
from typing import NamedTuple

from shared.domain.target.observation import Fault
from shared.transport.http_exchange import HttpFault, Trace


class Phases(NamedTuple):
    """What one hop took, in milliseconds; None is a phase that was not reached."""

    total_ms: float
    connect_ms: float | None
    tls_ms: float | None
    first_byte_ms: float | None
    transfer_ms: float | None


class End(NamedTuple):
    """What a hop says of its other end."""

    remote_address: str | None
    certificate_expires_at: datetime | None
    status: int | None


class Progress:
    """The account of one exchange. Only time spent on the target counts, never our own waiting for a slot."""

    __slots__ = ("_dns_ms", "_end", "_phases", "_spent_ms", "_timeout_ms", "redirects")

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout_ms = timeout_seconds * 1000
        self._spent_ms = 0.0
        self._dns_ms: float | None = None
        self._phases: Phases | None = None
        self._end = End(None, None, None)
        self.redirects = 0

    @property
    def ms_left(self) -> int:
        """What is left of the timeout in whole milliseconds, at least one: libcurl takes 0 for endless."""
        return max(1, round(self._timeout_ms - self._spent_ms))

    @property
    def seconds_left(self) -> float:
        """What is left of the timeout, in seconds, above 0."""
        return self.ms_left / 1000

    def add_dns(self, dns_ms: float) -> None:
        """Count a look-up."""
        self._dns_ms = (self._dns_ms or 0.0) + dns_ms
        self._spent_ms += dns_ms

    def add_hop(self, phases: Phases, end: End) -> None:
        """Count a transfer; what it says of its end takes the place of the hop's before."""
        self._spent_ms += phases.total_ms
        self._phases = phases if self._phases is None else _add_phases(self._phases, phases)
        self._end = end

    def trace(self) -> Trace:
        """The account as it stands."""
        phases = self._phases or _NONE_REACHED
        return Trace(
            duration_ms=round(self._spent_ms, 3),
            dns_ms=None if self._dns_ms is None else round(self._dns_ms, 3),
            connect_ms=phases.connect_ms,
            tls_ms=phases.tls_ms,
            first_byte_ms=phases.first_byte_ms,
            transfer_ms=phases.transfer_ms,
            remote_address=self._end.remote_address,
            certificate_expires_at=self._end.certificate_expires_at,
            redirects=self.redirects,
            status=self._end.status,
        )

    def end(self, fault: Fault) -> HttpFault:
        """The exchange ends here, with what was seen so far."""
        return HttpFault(fault.code, fault.message, fault.blame, self.trace())


_NONE_REACHED = Phases(0.0, None, None, None, None)


def _add_phases(one: Phases, other: Phases) -> Phases:
    return Phases(
        one.total_ms + other.total_ms,
        _add(one.connect_ms, other.connect_ms),
        _add(one.tls_ms, other.tls_ms),
        _add(one.first_byte_ms, other.first_byte_ms),
        _add(one.transfer_ms, other.transfer_ms),
    )


def _add(one: float | None, other: float | None) -> float | None:
    """The sum, rounded to a microsecond, of what was reached."""
    if one is None or other is None:
        return one if other is None else other
    return round(one + other, 3)
