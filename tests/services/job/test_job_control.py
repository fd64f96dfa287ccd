"""Cancelling jobs and what came of them."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from job_bench import Bench, ring_of

from shared.clock import utc_now
from shared.domain.job.attempts import ReportProgress, Worked
from shared.domain.job.jobs import Job, JobState
from shared.domain.job.leases import ClaimedJob
from shared.services.job import job_control
from shared.services.job.job_control import CancelOutcome

COMPLETION = '{"url": "https://hooks.example/jobs"}'


async def succeed(_: ClaimedJob, __: ReportProgress) -> Worked:
    return Worked(result={})


async def states(bench: Bench, *jobs: Job) -> list[JobState]:
    return [(await bench.job(job.job_id)).state for job in jobs]


async def tellings(bench: Bench, job: Job) -> list[Job]:
    async with bench.database.transaction() as work:
        rows = await work.fetch("select job_id from jobs where parent_id = $1 and spec ? 'event'", job.job_id)
    return [await bench.job(row.job_id) for row in rows]


async def test_a_cancelled_job_is_told_once(bench: Bench) -> None:
    """By a notification that is rung; cancelling again tells nothing."""
    job = await bench.submitted(completion=COMPLETION)
    assert (await bench.control.cancel(job.job_id)).outcome is CancelOutcome.CANCELLED
    assert (await bench.control.cancel(job.job_id)).outcome is CancelOutcome.ALREADY_DONE
    (telling,) = await tellings(bench, job)
    assert telling.spec["event"]["type"] == "job.cancelled"
    assert f"{telling.job_id}:1" in await bench.rung()


async def test_children_stay_unless_they_are_named(bench: Bench) -> None:
    """Cancelling a job says nothing of what came of it."""
    parent = await bench.submitted()
    child = await bench.submitted(parent_id=parent.job_id)
    await bench.control.cancel(parent.job_id)
    assert await states(bench, parent, child) == [JobState.CANCELLED, JobState.QUEUED]


async def test_a_whole_family_is_cancelled(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through all generations, also below one that has ended, in more than one transaction; strangers are left."""
    monkeypatch.setattr(job_control, "BATCH", 2)
    parent = await bench.submitted()
    ended = await bench.submitted(parent_id=parent.job_id)
    later = await bench.submitted(parent_id=parent.job_id, run_at=utc_now() + timedelta(hours=1))
    grandchildren = [await bench.submitted(parent_id=ended.job_id) for _ in range(4)]
    stranger = await bench.submitted()
    execution, _ = bench.worker(succeed)
    await execution.run(ring_of(ended))
    answer = await bench.control.cancel(parent.job_id, with_children=True)
    assert answer.outcome is CancelOutcome.CANCELLED
    assert await states(bench, parent, later, *grandchildren) == [JobState.CANCELLED] * 6
    assert await states(bench, ended, stranger) == [JobState.SUCCEEDED, JobState.QUEUED]


async def test_a_running_child_is_asked_to_stop(bench: Bench) -> None:
    """Its worker stops it; nobody asks twice."""
    parent = await bench.submitted()
    child = await bench.submitted(parent_id=parent.job_id)
    started = asyncio.Event()

    async def wait(_: ClaimedJob, __: ReportProgress) -> Worked:
        started.set()
        await asyncio.sleep(60)
        return Worked()

    execution, leases = bench.worker(wait)
    running = asyncio.create_task(execution.run(ring_of(child)))
    await started.wait()
    await bench.control.cancel(parent.job_id, with_children=True)
    version = (await bench.job(child.job_id)).version
    await bench.control.cancel(parent.job_id, with_children=True)
    assert (await bench.job(child.job_id)).version == version
    await leases.beat()
    async with asyncio.timeout(30):
        await running
    assert await states(bench, child) == [JobState.CANCELLED]


async def test_what_tells_an_end_is_not_cancelled_with_the_family(bench: Bench) -> None:
    """The ends have happened: of the job itself, and of each child."""
    parent = await bench.submitted(completion=COMPLETION)
    child = await bench.submitted(parent_id=parent.job_id, completion=COMPLETION)
    await bench.control.cancel(parent.job_id, with_children=True)
    for job in (parent, child):
        (telling,) = await tellings(bench, job)
        assert telling.state is JobState.QUEUED


async def test_of_an_ended_job_the_children_can_still_be_cancelled(bench: Bench) -> None:
    """Then something was done; where nothing was left to do, that is said."""
    parent = await bench.submitted()
    child = await bench.submitted(parent_id=parent.job_id)
    execution, _ = bench.worker(succeed)
    await execution.run(ring_of(parent))
    first = await bench.control.cancel(parent.job_id, with_children=True)
    again = await bench.control.cancel(parent.job_id, with_children=True)
    assert (first.outcome, again.outcome) == (CancelOutcome.CANCELLED, CancelOutcome.ALREADY_DONE)
    assert await states(bench, parent, child) == [JobState.SUCCEEDED, JobState.CANCELLED]


async def test_a_job_handed_back_at_that_moment_is_cancelled(bench: Bench) -> None:
    """Its cancel waits for who holds the row, and finds it waiting instead of running."""
    job = await bench.submitted()

    async def cancel_while_handed_back(_: ClaimedJob, __: ReportProgress) -> Worked:
        async with bench.database.transaction() as work:
            await work.run(
                "update jobs set state = 'queued', lease_token = null, lease_owner = null, lease_expires_at = null"
            )
            cancelling = asyncio.create_task(bench.control.cancel(job.job_id))
            async with asyncio.timeout(30), bench.database.transaction() as watch:
                while not await watch.fetch("select 1 from pg_locks where not granted"):
                    pass
        assert (await cancelling).outcome is CancelOutcome.CANCELLED
        return Worked()

    execution, _ = bench.worker(cancel_while_handed_back)
    await execution.run(ring_of(job))
    assert await states(bench, job) == [JobState.CANCELLED]


async def test_of_an_unknown_job_nothing_is_cancelled(bench: Bench) -> None:
    """With children as without."""
    answer = await bench.control.cancel(uuid4(), with_children=True)
    assert answer.outcome is CancelOutcome.NOT_FOUND
