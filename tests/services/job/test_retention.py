"""Ended jobs are forgotten when their time is over, with all that hangs on them; nothing that lives is."""

import asyncio
from uuid import UUID

import pytest
from job_bench import Bench

from shared.services.job import retention
from shared.services.job.retention import Retention
from shared.storage.job.job_store import JobStore


async def end(bench: Bench, *job_ids: UUID, days_ago: int) -> None:
    """Cancel the jobs as if that many days ago."""
    async with bench.database.transaction() as work:
        for job_id in job_ids:
            await JobStore(work).cancel_if_live(job_id)
        await work.run(
            "update jobs set finished_at = now() - make_interval(days => $2) where job_id = any($1)",
            list(job_ids),
            days_ago,
        )


async def remaining(bench: Bench) -> set[UUID]:
    async with bench.database.transaction() as work:
        return {row.job_id for row in await work.fetch("select job_id from jobs")}


async def test_ended_jobs_are_deleted_after_their_days(bench: Bench) -> None:
    """Old ones go, young ones and those that live stay; several workers at once delete each once."""
    old, young, live = [await bench.submitted() for _ in range(3)]
    await end(bench, old.job_id, days_ago=31)
    await end(bench, young.job_id, days_ago=29)
    assert sum(await asyncio.gather(*(bench.retention.forget_jobs() for _ in range(4)))) == 1
    assert await remaining(bench) == {young.job_id, live.job_id}


async def test_what_hangs_on_a_job_goes_with_it(bench: Bench) -> None:
    """Its attempts and the list of what it found."""
    job = await bench.submitted()
    await end(bench, job.job_id, days_ago=31)
    async with bench.database.transaction() as work:
        await work.run(
            "insert into job_attempts (job_id, attempt, dispatch_no, worker_id, started_at, finished_at, outcome, "
            "queue_wait_ms, run_ms) values ($1, 1, 1, 'w', now(), now(), 'failed', 0, 0)",
            job.job_id,
        )
        await work.run(
            "insert into job_samples (job_id, position, series_id, ts, outcome) values ($1, 0, 1, now(), 0)", job.job_id
        )
    assert await bench.retention.forget_jobs() == 1
    async with bench.database.transaction() as work:
        for table in ("job_attempts", "job_samples"):
            assert (await work.fetch(f"select count(*) as rows from {table}"))[0].rows == 0


async def test_a_parent_stays_while_a_child_lives(bench: Bench) -> None:
    """It goes once its last child has ended; the child then has no parent."""
    parent = await bench.submitted()
    child = await bench.submitted(parent_id=parent.job_id)
    await end(bench, parent.job_id, days_ago=31)
    assert await bench.retention.forget_jobs() == 0
    await end(bench, child.job_id, days_ago=1)
    assert await bench.retention.forget_jobs() == 1
    assert (await bench.job(child.job_id)).parent_id is None


async def test_zero_days_keep_for_ever(bench: Bench) -> None:
    """Nothing is deleted, however old."""
    job = await bench.submitted()
    await end(bench, job.job_id, days_ago=10_000)
    assert await Retention(bench.database, job_days=0).forget_jobs() == 0


async def test_a_run_deletes_a_bounded_batch(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says how many, so that the next follows while there is more."""
    monkeypatch.setattr(retention, "JOBS_AT_ONCE", 2)
    jobs = [(await bench.submitted()).job_id for _ in range(3)]
    await end(bench, *jobs, days_ago=31)
    assert [await bench.retention.forget_jobs() for _ in range(3)] == [2, 1, 0]


async def test_expired_keys_are_forgotten(bench: Bench) -> None:
    """The keys table does not grow for ever."""
    async with bench.database.transaction() as work:
        await work.run(
            "insert into idempotency_keys (principal_id, key, fingerprint, job_id, expires_at) values "
            "('p', 'old', '', gen_random_uuid(), now() - interval '1 s'), "
            "('p', 'new', '', gen_random_uuid(), now() + interval '1 h')"
        )
    assert sum(await asyncio.gather(*(bench.retention.forget_keys() for _ in range(4)))) == 1
