"""Worker processes as they report themselves, and what follows from how long ago they did."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from shared.domain.job.jobs import JobKind
from shared.domain.target.egress_canary import EgressState


class WorkerState(StrEnum):
    """What a worker process is doing."""

    RUNNING = "running"
    QUIET = "quiet"
    """It was ordered to take nothing more; what runs goes on."""
    STOPPING = "stopping"
    """It was signalled to stop: it takes nothing more and hands back what does not end in time."""


class WorkerOrder(StrEnum):
    """What people order a worker to do; it hears it with the reply to its next heartbeat."""

    QUIET = "quiet"


class Liveness(StrEnum):
    """Whether a worker process is there, by its latest heartbeat."""

    ALIVE = "alive"
    SILENT = "silent"
    """It died, hangs or is cut off from the database; its leases have run out."""


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """What a worker process says of itself with a heartbeat.

    `slots` is how many jobs it runs at once at most, `busy` how many it has the lease of. `loop_lag_ms` is the longest
    its event loop stood still since the heartbeat before, in milliseconds; `rss_bytes` is its resident memory.
    `checks_per_second` looks at monitors it took in the last minute, with `cpu_share` of a core.
    """

    worker_id: str
    host: str
    pid: int
    version: str
    queues: Sequence[str]
    slots: int
    busy: int
    loop_lag_ms: float
    rss_bytes: float
    lease_seconds: float
    state: WorkerState
    egress: EgressState = EgressState.UNWATCHED
    checks_per_second: float = 0.0
    cpu_share: float = 0.0


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker process as it last reported itself; `beat_age_seconds` is how long ago, by the database's clock."""

    worker_id: str
    host: str
    pid: int
    version: str
    queues: Sequence[str]
    slots: int
    busy: int
    loop_lag_ms: float
    rss_bytes: float
    lease_seconds: float
    started_at: datetime
    beat_at: datetime
    state: WorkerState
    ordered: WorkerOrder | None
    beat_age_seconds: float
    egress: EgressState = EgressState.UNWATCHED
    checks_per_second: float = 0.0
    cpu_share: float = 0.0

    @property
    def liveness(self) -> Liveness:
        """Silent once its leases, extended by the latest heartbeat, have run out."""
        return Liveness.ALIVE if self.beat_age_seconds <= self.lease_seconds else Liveness.SILENT


@dataclass(frozen=True, slots=True)
class HeldJob:
    """A job that a worker has the lease of."""

    job_id: UUID
    kind: JobKind
    queue: str
    attempt: int
    started_at: datetime
    lease_expires_at: datetime
    is_cancel_requested: bool


MAX_BEAT_SECONDS = 10.0
"""The longest between two heartbeats, however long the lease is: cancels and orders come with them."""

BEATS_PER_LEASE = 3
FENCE_FRACTION = 5 / 6
"""A worker without a heartbeat for this part of a lease stops its jobs itself, before somebody else may take them."""


def beat_interval_seconds(lease_seconds: float) -> float:
    """How often a worker reports itself and extends its leases."""
    return min(lease_seconds / BEATS_PER_LEASE, MAX_BEAT_SECONDS)


def is_fenced(silent_seconds: float, *, lease_seconds: float) -> bool:
    """Whether a lease that was confirmed so long ago has to be given up, by a clock that never goes back."""
    return silent_seconds > lease_seconds * FENCE_FRACTION


def is_threatening(lag_seconds: float, *, lease_seconds: float) -> bool:
    """Whether an event loop that stood still for so long has missed a heartbeat, and a few more would cost leases."""
    return lag_seconds >= beat_interval_seconds(lease_seconds)


def next_state(current: WorkerState, order: WorkerOrder | None) -> WorkerState:
    """What a worker does after it heard what is ordered of it; one that stops goes on stopping."""
    if current is WorkerState.STOPPING:
        return current
    return WorkerState.QUIET if order is WorkerOrder.QUIET else WorkerState.RUNNING
