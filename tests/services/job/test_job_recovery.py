"""Upkeep queues what is due, ends what is late, takes back what a vanished worker left; never twice."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from job_bench import Bench, ring_of

from shared.clock import utc_now
from shared.domain.job.attempts import ReportProgress, Worked
from shared.domain.job.jobs import JobState
from shared.domain.job.leases import MAX_LOST_ATTEMPTS, ClaimedJob
from shared.services.fleet.vitals import Vitals
from shared.storage.fleet.worker_store import WorkerStore
from shared.storage.job.attempt_store import AttemptStore


async def test_due_jobs_are_promoted_once(bench: Bench) -> None:
    """Workers that promote at the same time share the due jobs; each gets one new dispatch."""
    jobs = [await bench.submitted(run_at=utc_now() + timedelta(hours=1)) for _ in range(20)]
    assert await bench.recovery.promote() == 0
    await bench.make_due()
    assert sum(await asyncio.gather(*(bench.recovery.promote() for _ in range(4)))) == 20
    assert await bench.rung() == {f"{job.job_id}:2" for job in jobs}


async def test_a_job_that_nobody_started_in_time_expires(bench: Bench) -> None:
    """Scheduled, queued and retrying alike; it says why, and its ring then starts nothing."""
    late = utc_now() + timedelta(hours=1)
    jobs = [await bench.submitted(expires_at=late), await bench.submitted(expires_at=late, run_at=late)]
    in_time = await bench.submitted(expires_at=late + timedelta(hours=1))
    assert await bench.recovery.expire() == 0
    async with bench.database.transaction() as work:
        await work.run("update jobs set expires_at = now() where expires_at = $1", late)
    assert sum(await asyncio.gather(*(bench.recovery.expire() for _ in range(4)))) == 2
    ended = [await bench.job(job.job_id) for job in jobs]
    assert [(job.state, job.error["code"]) for job in ended if job.error] == [(JobState.EXPIRED, "expired")] * 2
    assert (await bench.job(in_time.job_id)).state is JobState.QUEUED


async def test_a_job_that_is_blocked_expires_too(bench: Bench) -> None:
    """What held it back is no part of an ended job."""
    job = await bench.submitted(expires_at=utc_now() + timedelta(hours=1))
    async with bench.database.transaction() as work:
        await work.run("update jobs set expires_at = now(), blocked_by = 'paused'")
    assert await bench.recovery.expire() == 1
    ended = await bench.job(job.job_id)
    assert (ended.state, ended.blocked_by) == (JobState.EXPIRED, None)


async def test_a_late_job_is_not_queued_any_more(bench: Bench) -> None:
    """One whose time and deadline have both passed expires; promoted first, it would only be rung in vain."""
    job = await bench.submitted(run_at=utc_now() + timedelta(hours=1), expires_at=utc_now() + timedelta(hours=2))
    async with bench.database.transaction() as work:
        await work.run("update jobs set run_at = now(), expires_at = now()")
    assert (await bench.recovery.promote(), await bench.recovery.expire()) == (0, 1)
    assert (await bench.job(job.job_id)).state is JobState.EXPIRED


async def test_an_expired_jobs_webhook_is_told(bench: Bench) -> None:
    """By a notification that is written with the end and rung at once."""
    url = "https://example.org/hook"
    job = await bench.submitted(expires_at=utc_now() + timedelta(hours=1), completion=f'{{"url": "{url}"}}')
    before = await bench.rung()
    async with bench.database.transaction() as work:
        await work.run("update jobs set expires_at = now()")
    assert await bench.recovery.expire() == 1
    [ring_id] = await bench.rung() - before
    told = await bench.job(UUID(ring_id.partition(":")[0]))
    assert (told.parent_id, told.spec["channel"]["url"]) == (job.job_id, url)
    assert told.spec["event"]["type"] == "job.expired"


async def test_a_vanished_workers_job_is_queued_again(bench: Bench) -> None:
    """Its attempt is kept as lost and stays spent, and the job is rung under a new dispatch."""
    job = await bench.submitted()
    await vanish(bench, dispatch_no=1)
    assert await bench.recovery.rescue() == 1
    back = await bench.job(job.job_id)
    assert (back.state, back.attempt, back.dispatch_no) == (JobState.QUEUED, 1, 2)
    assert f"{job.job_id}:2" in await bench.rung()
    assert await bench.outcomes(job.job_id) == ["lost"]


async def test_the_jobs_of_several_vanished_workers_are_told_apart(bench: Bench) -> None:
    """Each lost attempt is kept under the worker that lost it."""
    jobs = [await bench.submitted() for _ in range(3)]
    await vanish(bench, dispatch_no=1)
    async with bench.database.transaction() as work:
        await work.run("update jobs set lease_owner = 'other' where job_id = $1", jobs[0].job_id)
    assert await bench.recovery.rescue() == 3
    async with bench.database.transaction() as work:
        attempts = [(await AttemptStore(work).list_of(job.job_id))[0] for job in jobs]
    assert [attempt.worker_id for attempt in attempts] == ["other", "gone", "gone"]


async def test_rescuing_at_the_same_time_rescues_once(bench: Bench) -> None:
    """Two workers that find the same silent worker count one lost attempt."""
    job = await bench.submitted()
    await vanish(bench, dispatch_no=1)
    assert sum(await asyncio.gather(*(bench.recovery.rescue() for _ in range(4)))) == 1
    assert await bench.outcomes(job.job_id) == ["lost"]


async def test_poison_is_stopped(bench: Bench) -> None:
    """A job whose workers vanish three times is failed and says why."""
    job = await bench.submitted(max_attempts=20)
    for dispatch_no in range(1, MAX_LOST_ATTEMPTS + 1):
        await vanish(bench, dispatch_no=dispatch_no)
        await bench.recovery.rescue()
    dead = await bench.job(job.job_id)
    assert dead.state is JobState.FAILED
    assert dead.error is not None
    assert dead.error["code"] == "crash_loop"
    assert dead.error["message"].startswith(f"{MAX_LOST_ATTEMPTS} workers")
    assert await bench.outcomes(job.job_id) == ["lost"] * MAX_LOST_ATTEMPTS


async def test_a_living_workers_job_is_left_alone(bench: Bench) -> None:
    """A lease that runs is respected."""
    await bench.submitted()
    async with bench.database.transaction() as work:
        await work.run(
            "update jobs set state = 'running', attempt = 1, lease_token = gen_random_uuid(), lease_owner = 'w', "
            "lease_expires_at = now() + interval '10 s', started_at = now()"
        )
    assert await bench.recovery.rescue() == 0


async def test_a_rescued_job_runs_again(bench: Bench) -> None:
    """After the rescue the job reaches its end."""
    job = await bench.submitted()
    await vanish(bench, dispatch_no=1)
    await bench.recovery.rescue()

    async def succeed(_: ClaimedJob, report: ReportProgress) -> Worked:
        return Worked()

    execution, _ = bench.worker(succeed)
    await execution.run(ring_of(job, 2))
    assert (await bench.job(job.job_id)).state is JobState.SUCCEEDED


async def test_a_lost_attempt_names_the_version_of_its_worker(bench: Bench) -> None:
    """The worker cannot say it any more, but it had reported itself: a version that kills its workers is found out."""
    job = await bench.submitted()
    report = Vitals("gone").report(busy=1, lag_seconds=0.0, lease_seconds=30.0)
    async with bench.database.transaction() as work:
        await WorkerStore(work).report(replace(report, version="0.0.9"))
    await vanish(bench, dispatch_no=1)
    await bench.recovery.rescue()
    async with bench.database.transaction() as work:
        (lost,) = await AttemptStore(work).list_of(job.job_id)
    assert lost.worker_version == "0.0.9"


async def test_each_attempt_waited_since_it_was_queued(bench: Bench) -> None:
    """What a worker took with it when it vanished is neither its own wait nor the next one's."""
    job = await bench.submitted()
    await vanish(bench, dispatch_no=1)
    async with bench.database.transaction() as work:
        await work.run(
            "update jobs set run_at = now() - interval '100 s', created_at = now() - interval '100 s', "
            "queued_at = now() - interval '100 s', started_at = now() - interval '90 s'"
        )
    await bench.recovery.rescue()

    async def succeed(_: ClaimedJob, report: ReportProgress) -> Worked:
        return Worked()

    execution, _ = bench.worker(succeed)
    await execution.run(ring_of(job, 2))
    async with bench.database.transaction() as work:
        lost, won = await AttemptStore(work).list_of(job.job_id)
    assert lost.queue_wait_ms == pytest.approx(10_000, abs=1)
    assert won.queue_wait_ms < 60_000


async def vanish(bench: Bench, *, dispatch_no: int) -> None:
    """Claim the job as a worker does that then vanishes."""
    async with bench.database.transaction() as work:
        await work.run(
            "update jobs set state = 'running', attempt = attempt + 1, lease_token = gen_random_uuid(), "
            "lease_owner = 'gone', lease_expires_at = now() - interval '1 s', started_at = now() "
            "where dispatch_no = $1 and state = 'queued'",
            dispatch_no,
        )
