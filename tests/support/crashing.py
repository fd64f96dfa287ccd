"""Programs of Tocsin's own parts that kill themselves at a named step of a job's walk, or stand still."""

import asyncio
import os
import signal
import time

import uvloop
from arq.worker import func

from shared.domain.job.attempts import ReportProgress, Worked
from shared.domain.job.jobs import JobKind, NewJob
from shared.domain.job.leases import ClaimedJob
from shared.domain.job.steps import Step, StepHook, no_hook
from shared.log import configure_logging
from shared.services.job.job_execution import JobWork
from shared.services.job.job_submission import JobSubmission, Submission
from shared.services.target.collect_work import CollectWork
from shared.settings import Settings
from shared.storage.job.job_store import QUEUE_OF
from shared.storage.sample.series_store import SeriesDirectory
from shared.task_queue import RUN_JOB
from shared.wiring import ProcessContext
from shared.wiring.worker import WorkerServices, build_execution
from worker.doorbell import DoorbellWorker
from worker.main import new_worker_id
from worker.tasks.run_job import EXECUTION_KEY, QUEUE_KEY, run_job


def submit_and_die(settings: Settings, job: NewJob) -> None:
    """Submit a job, and die between its commit and its ring."""
    configure_logging(settings.log_level, settings.log_format)
    uvloop.run(_submit(settings, job))


def work_and_die(settings: Settings, step: Step | None) -> None:
    """Answer rings of collect jobs without any upkeep, and die at the step; None works until killed."""
    configure_logging(settings.log_level, settings.log_format)
    uvloop.run(_answer_rings(settings, on_step=_die_at(step)))


def work_and_stall(settings: Settings, stall_seconds: float) -> None:
    """Answer rings of collect jobs; after each work the event loop stands still for a while."""
    configure_logging(settings.log_level, settings.log_format)
    uvloop.run(_answer_rings(settings, stall_seconds=stall_seconds))


def _die_at(fatal: Step | None) -> StepHook:
    def die(step: Step) -> None:
        if step is fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    return die


async def _submit(settings: Settings, job: NewJob) -> None:
    context = ProcessContext.open(settings, name="crashing submitter")
    submission = JobSubmission(
        context.database, context.doorbell, clock=context.clock, max_pending=10, on_step=_die_at(Step.SUBMITTED)
    )
    await submission.submit(Submission(job))


async def _answer_rings(settings: Settings, *, on_step: StepHook = no_hook, stall_seconds: float = 0) -> None:
    worker_id = new_worker_id()
    context = ProcessContext.open(settings, name=f"crashing {worker_id}")
    services = await WorkerServices.open(context, worker_id=worker_id)
    work: JobWork = CollectWork(services.collection, SeriesDirectory(context.database))
    works = {JobKind.COLLECT: _stalling(work, seconds=stall_seconds) if stall_seconds else work}
    execution = build_execution(context, services.leases, works, on_step=on_step)
    queue = QUEUE_OF[JobKind.COLLECT]
    ring_context = {EXECUTION_KEY: execution, QUEUE_KEY: queue}
    answering = DoorbellWorker([func(run_job, name=RUN_JOB)], context.redis, queue=queue, slots=1, context=ring_context)
    async with asyncio.TaskGroup() as group:
        group.create_task(services.leases.run())
        group.create_task(answering.serve())


def _stalling(work: JobWork, *, seconds: float) -> JobWork:
    async def stall(claimed: ClaimedJob, report: ReportProgress) -> Worked:
        worked = await work(claimed, report)
        time.sleep(seconds)  # noqa: ASYNC251 - a blocked event loop is what is wanted
        return worked

    return stall
