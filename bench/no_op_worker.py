"""A worker of Tocsin whose jobs do nothing: the whole life of a job in PostgreSQL, without any work in it."""

import asyncio
import signal

import msgspec
import uvloop

from bench.peers import jobs
from shared.domain.job.attempts import ReportProgress, Worked
from shared.domain.job.jobs import JobKind
from shared.domain.job.leases import ClaimedJob
from shared.log import configure_logging
from shared.settings import Settings
from shared.wiring import ProcessContext
from shared.wiring.worker import WorkerServices, build_execution
from worker.main import new_worker_id, run_until, tune_garbage_collection


async def do_nothing(claimed: ClaimedJob, _: ReportProgress) -> Worked:
    """Succeed at once, or once the gate is gone, as the peers' jobs do."""
    spec = msgspec.json.decode(claimed.spec)
    if "hold" in spec:
        await jobs.hold(spec["hold"])
    else:
        jobs.no_op(spec.get("no_op", 0.0))
    return Worked(result={"attempt": claimed.attempt})


async def serve() -> None:
    """Run as `worker.main.serve` does, with the works replaced."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    worker_id = new_worker_id()
    context = ProcessContext.open(Settings(), name=f"bench {worker_id}")
    services = await WorkerServices.open(context, worker_id=worker_id)
    tune_garbage_collection()
    works = dict.fromkeys(JobKind, do_nothing)
    services.execution = build_execution(context, services.leases, works)
    await run_until(stop, services, kinds=list(JobKind))
    await services.close()
    await context.close()


if __name__ == "__main__":
    configure_logging("info", "auto")
    uvloop.run(serve())
