"""The doorbell workers of one process, one a queue: started, told to be quiet and stopped as one."""

import asyncio
from collections.abc import Sequence

import structlog
from arq.worker import func

from shared.domain.fleet.workers import WorkerOrder, WorkerState, next_state
from shared.domain.job.jobs import JobKind
from shared.domain.target.egress_canary import EgressState
from shared.storage.job.job_store import QUEUE_OF
from shared.task_queue import RUN_JOB
from shared.wiring.slots import slots_of
from shared.wiring.worker import WorkerServices
from worker.doorbell import DoorbellWorker
from worker.metrics import BUSY, EGRESS_UP, SLOTS
from worker.tasks.run_job import EXECUTION_KEY, QUEUE_KEY, run_job

_log = structlog.get_logger()

BEHIND_PER_SLOT = 2
"""As many looks may be behind for each that may be under way: beyond it rounds are left in their queue, where it is
seen that they wait, and other workers find them."""

_EGRESS_FIGURES = {EgressState.UNWATCHED: -1, EgressState.OK: 1, EgressState.DOWN: 0}


class Crew:
    """All queues that this process answers."""

    def __init__(self, services: WorkerServices, kinds: Sequence[JobKind]) -> None:
        slots = slots_of(services.context.settings)
        self._leases = services.leases
        self._workers = [_worker_of(kind, services, slots=slots[kind]) for kind in kinds]
        vitals = services.leases.vitals
        vitals.queues = [QUEUE_OF[kind] for kind in kinds]
        vitals.slots = sum(slots[kind] for kind in kinds)
        SLOTS.set(vitals.slots)
        BUSY.set_function(lambda: len(services.leases))
        EGRESS_UP.set_function(lambda: _EGRESS_FIGURES[services.canaries.watched.state])

    def serve(self) -> "list[asyncio.Task[None]]":
        """Begin to answer rings; the tasks end after `quiet`."""
        return [asyncio.create_task(worker.serve()) for worker in self._workers]

    def obey(self, order: WorkerOrder | None) -> None:
        """Do what is ordered with the heartbeat's answer, and let the next one tell of it at once."""
        vitals = self._leases.vitals
        state = next_state(vitals.state, order)
        if state is vitals.state:
            return
        for worker in self._workers:
            if state is WorkerState.QUIET:
                worker.pause()
            else:
                worker.resume()
        self._enter(state)

    def quiet(self) -> None:
        """Take no more rings for good."""
        for worker in self._workers:
            worker.quiet()
        self._enter(WorkerState.STOPPING)

    def hurry(self) -> None:
        """Wait no longer for what runs."""
        for worker in self._workers:
            worker.hurry()

    async def finish(self, *, within_seconds: float) -> None:
        """Wait for what runs, then hand the rest back."""
        await asyncio.gather(*(worker.finish(within_seconds=within_seconds) for worker in self._workers))

    def _enter(self, state: WorkerState) -> None:
        self._leases.vitals.state = state
        _log.info("worker_state", worker_id=self._leases.owner, state=state.value)
        self._leases.beat_soon()


def _worker_of(kind: JobKind, services: WorkerServices, *, slots: int) -> DoorbellWorker:
    queue = QUEUE_OF[kind]
    worker = DoorbellWorker(
        [func(run_job, name=RUN_JOB)],
        services.context.redis,
        queue=queue,
        slots=slots,
        context={EXECUTION_KEY: services.execution, QUEUE_KEY: queue},
    )
    if kind is JobKind.ROUND:
        bound = BEHIND_PER_SLOT * services.context.settings.target_slots
        worker.hold_while(lambda: services.round_work.behind >= bound)
    return worker
