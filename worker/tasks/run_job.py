"""The one ARQ function: answer a ring for a job."""

from typing import Any
from uuid import UUID

from shared.domain.fleet.queues import queue_name
from shared.domain.job.jobs import Ring
from shared.services.job.job_execution import JobExecution
from worker.metrics import STALE_RINGS

QUEUE_KEY = "queue"
EXECUTION_KEY = "execution"


async def run_job(ctx: dict[str, Any], job_id: str, dispatch_no: int) -> None:
    """Run the job if its dispatch still stands; the ring carries ids only, the row is what is run."""
    execution: JobExecution = ctx[EXECUTION_KEY]
    outcome = await execution.run(Ring(UUID(job_id), dispatch_no, ctx[QUEUE_KEY]))
    if outcome is None:
        STALE_RINGS.labels(queue=queue_name(ctx[QUEUE_KEY])).inc()
