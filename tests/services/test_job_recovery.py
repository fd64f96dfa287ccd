"""Upkeep mends what a crash or a forgetful Redis left behind, and does no harm when it runs twice."""

import asyncio
from datetime import timedelta

from job_bench import Bench, new_job, ring_of

from shared.clock import utc_now
from shared.domain.attempts import ReportProgress, Worked
from shared.domain.jobs import JobState
from shared.domain.leases import MAX_LOST_ATTEMPTS, ClaimedJob
from shared.storage.job_store import JobStore

NOW = timedelta(0)


async def unrung(bench: Bench) -> str:
    """Insert a job as a process does that dies right after its commit."""
    job = new_job()
    async with bench.database.transaction() as work:
        await JobStore(work).insert([job], now=utc_now())
    return f"{job.job_id}:1"


async def test_a_job_that_was_never_rung_is_relayed(bench: Bench) -> None:
    """A crash between commit and ring costs a second, not the job."""
    ring_id = await unrung(bench)
    assert await bench.rung() == set()
    assert await bench.recovery.relay(older_than=NOW) == 1
    assert await bench.rung() == {ring_id}


async def test_relaying_is_done_once(bench: Bench) -> None:
    """A confirmed ring is not repeated by the relay, whichever worker asks."""
    await unrung(bench)
    moved = [await bench.recovery.relay(older_than=NOW) for _ in range(3)]
    assert moved == [1, 0, 0]


async def test_a_fresh_job_is_left_to_its_own_ring(bench: Bench) -> None:
    """The relay does not race the ring that follows a commit."""
    await unrung(bench)
    assert await bench.recovery.relay() == 0


async def test_a_wiped_redis_is_reconciled(bench: Bench) -> None:
    """Rings that Redis forgot are rung again; those it still knows are left alone."""
    forgotten = await bench.submitted()
    await bench.doorbell.drain()
    await bench.recovery.relay(older_than=NOW)
    await bench.redis.flushall()
    known = await bench.submitted()
    await bench.doorbell.drain()
    await bench.recovery.relay(older_than=NOW)
    assert await bench.recovery.reconcile(older_than=NOW) == 1
    assert await bench.rung() == {f"{forgotten.job_id}:1", f"{known.job_id}:1"}


async def test_due_jobs_are_promoted_once(bench: Bench) -> None:
    """Workers that promote at the same time share the due jobs; each gets one new dispatch."""
    jobs = [await bench.submitted(run_at=utc_now() + timedelta(hours=1)) for _ in range(20)]
    assert await bench.recovery.promote() == 0
    await bench.make_due()
    assert sum(await asyncio.gather(*(bench.recovery.promote() for _ in range(4)))) == 20
    assert await bench.rung() == {f"{job.job_id}:2" for job in jobs}


async def test_a_vanished_workers_job_is_queued_again(bench: Bench) -> None:
    """Its attempt is kept as lost and stays spent, and the job is rung under a new dispatch."""
    job = await bench.submitted()
    await vanish(bench, dispatch_no=1)
    assert await bench.recovery.rescue() == 1
    back = await bench.job(job.job_id)
    assert (back.state, back.attempt, back.dispatch_no) == (JobState.QUEUED, 1, 2)
    assert f"{job.job_id}:2" in await bench.rung()
    assert await bench.outcomes(job.job_id) == ["lost"]


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


async def test_expired_keys_are_forgotten(bench: Bench) -> None:
    """The keys table does not grow for ever."""
    async with bench.database.transaction() as work:
        await work.run(
            "insert into idempotency_keys (principal_id, key, fingerprint, job_id, expires_at) values "
            "('p', 'old', '', gen_random_uuid(), now() - interval '1 s'), "
            "('p', 'new', '', gen_random_uuid(), now() + interval '1 h')"
        )
    assert await bench.recovery.forget_keys() == 1


async def vanish(bench: Bench, *, dispatch_no: int) -> None:
    """Claim the job as a worker does that then vanishes."""
    async with bench.database.transaction() as work:
        await work.run(
            "update jobs set state = 'running', attempt = attempt + 1, lease_token = gen_random_uuid(), "
            "lease_owner = 'gone', lease_expires_at = now() - interval '1 s', started_at = now() "
            "where dispatch_no = $1 and state = 'queued'",
            dispatch_no,
        )
