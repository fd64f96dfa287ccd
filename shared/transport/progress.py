"""How far an exchange has come: its phases summed over the hops, and what is left of its timeout."""

from dataclasses import dataclass
from datetime import datetime

from shared.domain.observation import Fault
from shared.transport.http_exchange import HttpFault, Trace


@dataclass(frozen=True, slots=True)
class Phases:
    """What one hop took, in milliseconds; None is a phase that was not reached."""

    total_ms: float
    connect_ms: float | None
    tls_ms: float | None
    first_byte_ms: float | None
    transfer_ms: float | None


class Progress:
    """The account of one exchange. Only time spent on the target counts, never our own waiting for a slot."""

    __slots__ = (
        "_certificate_expires_at",
        "_dns_ms",
        "_hops",
        "_remote_address",
        "_spent_ms",
        "_status",
        "_timeout_ms",
        "redirects",
    )

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout_ms = timeout_seconds * 1000
        self._spent_ms = 0.0
        self._dns_ms: float | None = None
        self._hops: list[Phases] = []
        self._remote_address: str | None = None
        self._certificate_expires_at: datetime | None = None
        self._status: int | None = None
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

    def add_hop(
        self,
        phases: Phases,
        *,
        remote_address: str | None,
        certificate_expires_at: datetime | None,
        status: int | None,
    ) -> None:
        """Count a transfer; what it says of its end takes the place of the hop's before."""
        self._hops.append(phases)
        self._spent_ms += phases.total_ms
        self._remote_address = remote_address
        self._certificate_expires_at = certificate_expires_at
        self._status = status

    def trace(self) -> Trace:
        """The account as it stands."""
        hops = self._hops
        return Trace(
            duration_ms=round(self._spent_ms, 3),
            dns_ms=_sum([self._dns_ms]),
            connect_ms=_sum([hop.connect_ms for hop in hops]),
            tls_ms=_sum([hop.tls_ms for hop in hops]),
            first_byte_ms=_sum([hop.first_byte_ms for hop in hops]),
            transfer_ms=_sum([hop.transfer_ms for hop in hops]),
            remote_address=self._remote_address,
            certificate_expires_at=self._certificate_expires_at,
            redirects=self.redirects,
            status=self._status,
        )

    def end(self, fault: Fault) -> HttpFault:
        """The exchange ends here, with what was seen so far."""
        return HttpFault(fault.code, fault.message, fault.blame, self.trace())


def _sum(parts: list[float | None]) -> float | None:
    """The sum, rounded to a microsecond, of what was reached; None when nothing was."""
    reached = [part for part in parts if part is not None]
    return round(sum(reached), 3) if reached else None
