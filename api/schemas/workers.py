"""What answers about worker processes look like, and how they are asked for."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Path
from pydantic import Field

from api.schemas.jobs import View
from api.schemas.queries import Cursor, QueryModel
from shared.domain.fleet.queues import queue_name
from shared.domain.fleet.workers import HeldJob, Liveness, Worker, WorkerOrder, WorkerState
from shared.domain.job.jobs import JobKind
from shared.domain.target.egress_canary import EgressState

WORKER_ID = r"[A-Za-z0-9._-]{1,253}:[0-9]{1,10}:[0-9a-f]{6}"
"""Host, process id and a random part; a path that goes on behind it means something else."""

WorkerId = Annotated[
    str, Path(pattern=f"^{WORKER_ID}$", description="The worker's `id`.", examples=["host.example:4711:0a1b2c"])
]


class WorkerListQuery(QueryModel):
    """Which workers to list."""

    limit: int = Field(default=100, ge=0, description="At most 1,000; more is cut, 0 is the default.")
    cursor: Cursor = None


class WorkerView(View):
    """A worker process as it last reported itself, which it does three times per lease and every 10 s at least."""

    id: str
    host: str
    pid: int
    version: str
    queues: list[str]
    state: WorkerState
    ordered: WorkerOrder | None = Field(description="What it has been ordered to do, heard of or not.")
    liveness: Liveness = Field(description="Silent when it has not reported itself for the length of its leases.")
    slots: int = Field(description="How many jobs it runs at once at most, over all its queues.")
    busy: int = Field(description="How many jobs it had the lease of.")
    loop_lag_ms: float = Field(description="The longest its event loop stood still since the report before.")
    rss_bytes: int = Field(description="Its resident memory.")
    lease_seconds: float
    egress: EgressState = Field(
        description="Whether it reaches the world: `down` while none of its canaries answers, `unwatched` without any."
    )
    checks_per_second: float = Field(description="Looks at monitors in the last minute.")
    cpu_share: float = Field(description="Of one core in that time; an event loop uses one at most.")
    started_at: datetime
    beat_at: datetime = Field(description="When it last reported itself.")
    beat_age_seconds: float = Field(description="How long ago that was, by the database's clock.")


class WorkerPage(View):
    """Workers in the order of their ids."""

    items: list[WorkerView]
    next_cursor: str | None = Field(description="Leads to the next page; null is the only sign of the end.")


class HeldJobView(View):
    """A job that a worker has the lease of."""

    id: UUID
    kind: JobKind
    queue: str
    attempt: int
    started_at: datetime
    lease_expires_at: datetime
    cancel_requested: bool


class WorkerDetailView(WorkerView):
    """A worker and what it runs."""

    jobs: list[HeldJobView] = Field(description="The jobs it has the lease of, the longest running first.")


def worker_json(worker: Worker) -> dict[str, Any]:
    """A worker as it is shown."""
    return {
        "id": worker.worker_id,
        "host": worker.host,
        "pid": worker.pid,
        "version": worker.version,
        "queues": [queue_name(queue) for queue in worker.queues],
        "state": worker.state.value,
        "ordered": worker.ordered.value if worker.ordered else None,
        "liveness": worker.liveness.value,
        "slots": worker.slots,
        "busy": worker.busy,
        "loop_lag_ms": round(worker.loop_lag_ms, 3),
        "rss_bytes": int(worker.rss_bytes),
        "lease_seconds": worker.lease_seconds,
        "egress": worker.egress.value,
        "checks_per_second": round(worker.checks_per_second, 3),
        "cpu_share": round(worker.cpu_share, 4),
        "started_at": worker.started_at,
        "beat_at": worker.beat_at,
        "beat_age_seconds": worker.beat_age_seconds,
    }


def held_json(held: HeldJob) -> dict[str, Any]:
    """A job that a worker has the lease of, as it is shown."""
    return {
        "id": str(held.job_id),
        "kind": held.kind.value,
        "queue": queue_name(held.queue),
        "attempt": held.attempt,
        "started_at": held.started_at,
        "lease_expires_at": held.lease_expires_at,
        "cancel_requested": held.is_cancel_requested,
    }
