"""The walk of a job: claimed once, worked without a transaction, recorded once under the lease."""

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from job_bench import Bench, Work, ring_of

from shared.domain.job.attempts import ReportProgress, Worked
from shared.domain.job.jobs import AttemptOutcome, Failure, Job, JobState
from shared.domain.job.leases import ClaimedJob
from shared.services.job import job_execution
from shared.services.job.job_control import CancelOutcome
from shared.services.job.leases import Leases
from shared.storage.database import UnitOfWork
from shared.storage.errors import StorageUnavailableError
from shared.storage.job.attempt_store import AttemptStore
from shared.storage.job.lease_store import LeaseStore
from shared.task_queue import TaskQueue


async def succeed(_: ClaimedJob, report: ReportProgress) -> Worked:
    return Worked(result={"delivered": True}, detail={"status": 200})


def failing(failure: Failure) -> Work:
    async def fail(_: ClaimedJob, report: ReportProgress) -> Worked:
        return Worked(failure=failure)

    return fail


class Held:
    """Work that tells when it started and ends when it is let go."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.release = asyncio.Event()
        self.runs = 0

    async def __call__(self, claimed: ClaimedJob, report: ReportProgress) -> Worked:
        self.runs += 1
        self.started.set()
        await self.release.wait()
        return Worked(result={"attempt": claimed.attempt})


@dataclass(frozen=True)
class Run:
    """A job that a worker works at until its work is let go."""

    job: Job
    held: Held
    leases: Leases
    attempt: "asyncio.Task[AttemptOutcome | None]"


async def start(bench: Bench, owner: str = "worker-1") -> Run:
    """Submit a job, and let a worker begin it."""
    job = await bench.submitted()
    held = Held()
    execution, leases = bench.worker(held, owner=owner)
    attempt = asyncio.create_task(execution.run(ring_of(job)))
    await held.started.wait()
    return Run(job, held, leases, attempt)


async def test_a_rung_job_is_run_and_recorded(bench: Bench) -> None:
    """Its end, its result and its attempt are there together."""
    job = await bench.submitted()
    execution, _ = bench.worker(succeed)
    assert await execution.run(ring_of(job)) is AttemptOutcome.SUCCEEDED
    done = await bench.job(job.job_id)
    assert (done.state, done.result, done.error, done.attempt) == (JobState.SUCCEEDED, {"delivered": True}, None, 1)
    assert done.finished_at is not None
    assert await bench.outcomes(job.job_id) == ["succeeded"]


async def test_a_stale_ring_is_dropped(bench: Bench) -> None:
    """A ring of another dispatch, or for a job that was run, starts nothing."""
    job = await bench.submitted()
    execution, _ = bench.worker(succeed)
    assert await execution.run(ring_of(job, 7)) is None
    assert await execution.run(ring_of(job)) is AttemptOutcome.SUCCEEDED
    assert await execution.run(ring_of(job)) is None
    assert await bench.outcomes(job.job_id) == ["succeeded"]


async def test_a_claim_that_outlives_its_task_is_handed_back(bench: Bench) -> None:
    """A worker stopped while the database makes it wait keeps no lease that nobody works under."""
    job = await bench.submitted()
    execution, _ = bench.worker(succeed)
    async with bench.database.transaction() as work:
        await work.run("select from jobs for update")
        running = asyncio.create_task(execution.run(ring_of(job)))
        async with asyncio.timeout(30), bench.database.transaction() as watch:
            while not await watch.fetch("select 1 from pg_locks where not granted"):
                pass
        running.cancel()
        await asyncio.wait([running])
    await execution.drain()
    back = await bench.job(job.job_id)
    assert (back.state, back.attempt, back.dispatch_no) == (JobState.QUEUED, 0, 2)
    assert await bench.outcomes(job.job_id) == ["released"]
    assert f"{job.job_id}:2" in await bench.rung()


async def test_a_job_rung_twice_at_once_runs_once(bench: Bench) -> None:
    """Neither two rings in one batch nor two workers claim a job twice."""
    job = await bench.submitted()
    held = Held()
    held.release.set()
    first, _ = bench.worker(held, owner="worker-1")
    second, _ = bench.worker(held, owner="worker-2")
    outcomes = await asyncio.gather(*(worker.run(ring_of(job)) for worker in (first, first, second, second)))
    assert sorted(outcome or "" for outcome in outcomes) == ["", "", "", "succeeded"]
    assert held.runs == 1


async def test_a_claim_whose_answer_was_lost_is_found_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commit reached the database but not us: trying again finds the lease, and no attempt is spent."""
    job = await bench.submitted()
    claim = LeaseStore.claim_queued
    answers = iter([StorageUnavailableError("the answer was lost")])

    async def claim_and_hear_nothing(store: LeaseStore, *arguments: Any, **named: Any) -> Any:
        claimed = await claim(store, *arguments, **named)
        await (await store._work.driver()).execute("commit")
        for error in answers:
            raise error
        return claimed

    monkeypatch.setattr(LeaseStore, "claim_queued", claim_and_hear_nothing)
    monkeypatch.setattr(job_execution, "RETRY_SECONDS", 0.0)
    execution, _ = bench.worker(succeed)
    assert await execution.run(ring_of(job)) is AttemptOutcome.SUCCEEDED
    assert await bench.outcomes(job.job_id) == ["succeeded"]
    assert (await bench.job(job.job_id)).attempt == 1


async def test_a_failed_attempt_waits_for_its_retry(bench: Bench) -> None:
    """The job is retrying at the time that was decided, and shows why."""
    job = await bench.submitted()
    execution, _ = bench.worker(failing(Failure("busy", "503", retry_after=timedelta(hours=1))))
    assert await execution.run(ring_of(job)) is AttemptOutcome.FAILED
    waiting = await bench.job(job.job_id)
    assert (waiting.state, waiting.error) == (JobState.RETRYING, {"code": "busy", "message": "503"})
    assert waiting.run_at > job.run_at + timedelta(minutes=59)


async def test_retries_end(bench: Bench) -> None:
    """After its last attempt a job has failed, and all its attempts are kept."""
    job = await bench.submitted(max_attempts=2)
    execution, _ = bench.worker(failing(Failure("busy", "503")))
    await execution.run(ring_of(job))
    await bench.make_due()
    assert await bench.recovery.promote() == 1
    await execution.run(ring_of(job, 2))
    assert (await bench.job(job.job_id)).state is JobState.FAILED
    assert await bench.outcomes(job.job_id) == ["failed", "failed"]


async def test_our_own_error_is_tried_again(bench: Bench) -> None:
    """Work that raises fails its attempt without telling the outside what it raised with."""

    async def raise_it(_: ClaimedJob, report: ReportProgress) -> Worked:
        raise RuntimeError("the password is hunter2")

    job = await bench.submitted()
    execution, _ = bench.worker(raise_it)
    assert await execution.run(ring_of(job)) is AttemptOutcome.FAILED
    waiting = await bench.job(job.job_id)
    assert waiting.state is JobState.RETRYING
    assert waiting.error is not None
    assert waiting.error["code"] == "internal"
    assert "hunter2" not in waiting.error["message"]


async def test_a_lost_lease_fences_the_result(bench: Bench) -> None:
    """A worker that comes back late changes nothing; its attempt shows as fenced beside the one that counts."""
    run = await start(bench, owner="late")
    await bench.expire_leases()
    assert await bench.recovery.rescue() == 1
    other, _ = bench.worker(succeed, owner="other")
    assert await other.run(ring_of(run.job, 2)) is AttemptOutcome.SUCCEEDED
    run.held.release.set()
    assert await run.attempt is AttemptOutcome.FENCED
    done = await bench.job(run.job.job_id)
    assert (done.state, done.result) == (JobState.SUCCEEDED, {"delivered": True})
    assert await bench.outcomes(run.job.job_id) == ["fenced", "succeeded"]


async def test_the_heartbeat_stops_work_whose_lease_is_gone(bench: Bench) -> None:
    """A worker learns with its beat that a job is no longer its own, and stops it."""
    run = await start(bench)
    await bench.expire_leases()
    await bench.recovery.rescue()
    await run.leases.beat()
    assert await run.attempt is AttemptOutcome.FENCED
    assert (await bench.job(run.job.job_id)).state is JobState.QUEUED


async def test_the_heartbeat_keeps_a_lease(bench: Bench) -> None:
    """A job that takes longer than its lease is not taken away while its worker beats."""
    run = await start(bench)
    await bench.expire_leases()
    await run.leases.beat()
    assert await bench.recovery.rescue() == 0
    run.held.release.set()
    assert await run.attempt is AttemptOutcome.SUCCEEDED


async def test_a_silent_worker_fences_itself(bench: Bench) -> None:
    """Without a confirmed beat a worker gives its jobs up before somebody else may take them."""
    bench.lease = timedelta(seconds=0)
    run = await start(bench)
    run.leases.fence_silent()
    assert await run.attempt is AttemptOutcome.RELEASED
    assert run.held.runs == 1


async def test_a_stopped_worker_hands_its_job_back_unspent(bench: Bench) -> None:
    """A deploy costs no attempt: the job is queued again under a new dispatch, and rung."""
    run = await start(bench)
    run.attempt.cancel()
    assert await run.attempt is AttemptOutcome.RELEASED
    back = await bench.job(run.job.job_id)
    assert (back.state, back.attempt, back.dispatch_no) == (JobState.QUEUED, 0, 2)
    assert f"{run.job.job_id}:2" in await bench.rung()
    assert await bench.outcomes(run.job.job_id) == ["released"]


async def test_a_running_job_is_cancelled_by_the_beat(bench: Bench) -> None:
    """Asking is remembered in the row; the worker hears of it with its heartbeat."""
    run = await start(bench)
    assert (await bench.control.cancel(run.job.job_id)).outcome is CancelOutcome.REQUESTED
    await run.leases.beat()
    assert await run.attempt is AttemptOutcome.CANCELLED
    assert (await bench.job(run.job.job_id)).state is JobState.CANCELLED


async def test_a_cancelled_job_is_not_tried_again(bench: Bench) -> None:
    """A failure of a job whose cancel was asked for ends it."""
    run = await start(bench)
    await bench.control.cancel(run.job.job_id)
    run.attempt.cancel()
    await run.attempt
    assert (await bench.job(run.job.job_id)).state is JobState.CANCELLED


@pytest.mark.parametrize("state", ["queued", "scheduled"])
async def test_a_waiting_job_is_cancelled_at_once(bench: Bench, state: str) -> None:
    """A job that has not started never starts, and cancelling twice says that it is over."""
    later = {"run_at": (await bench.submitted()).run_at + timedelta(hours=1)} if state == "scheduled" else {}
    job = await bench.submitted(**later)
    assert (await bench.control.cancel(job.job_id)).outcome is CancelOutcome.CANCELLED
    assert (await bench.control.cancel(job.job_id)).outcome is CancelOutcome.ALREADY_DONE
    execution, _ = bench.worker(succeed)
    assert await execution.run(ring_of(job)) is None


async def test_rings_carry_ids_only(bench: Bench) -> None:
    """What stands in Redis is JSON and holds nothing of the job but its id."""
    job = await bench.submitted()
    await bench.rung()
    body = await bench.redis.get(f"arq:job:{job.job_id}:1")
    assert body is not None
    assert body.startswith(b'{"t":null,"f":"run_job","a":["' + str(job.job_id).encode() + b'",1]')


async def test_ringing_again_keeps_a_jobs_place(bench: Bench) -> None:
    """A repeated ring neither doubles a job nor sends it to the end of its queue."""
    job = await bench.submitted()
    await bench.rung()
    before = await bench.redis.zrange(job.queue, 0, -1, withscores=True)
    await TaskQueue(bench.redis).ring([ring_of(job)])
    assert await bench.redis.zrange(job.queue, 0, -1, withscores=True) == before


async def test_a_ring_is_kept_while_the_database_is_away(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that cannot claim keeps its ring and its slot, and claims when the database is back."""
    monkeypatch.setattr("shared.services.job.job_execution.RETRY_SECONDS", 0.001)
    job = await bench.submitted()
    execution, _ = bench.worker(succeed)
    present, tries = bench.database.one_statement, 0

    def away_at_first() -> AbstractAsyncContextManager[UnitOfWork]:
        nonlocal tries
        tries += 1
        if tries <= 2:
            raise StorageUnavailableError("away")
        return present()

    monkeypatch.setattr(bench.database, "one_statement", away_at_first)
    assert await execution.run(ring_of(job)) is AttemptOutcome.SUCCEEDED
    assert tries == 3


async def test_an_end_is_kept_while_the_database_is_away(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was found is recorded when the database is back, once, and the work is not done again."""
    monkeypatch.setattr("shared.services.job.job_execution.RETRY_SECONDS", 0.001)
    run = await start(bench)
    present, tries = bench.database.writing, 0

    def away_at_first() -> AbstractAsyncContextManager[UnitOfWork]:
        nonlocal tries
        tries += 1
        if tries <= 3:
            raise StorageUnavailableError("away")
        return present()

    monkeypatch.setattr(bench.database, "writing", away_at_first)
    run.held.release.set()
    assert await run.attempt is AttemptOutcome.SUCCEEDED
    assert run.held.runs == 1
    assert await bench.outcomes(run.job.job_id) == ["succeeded"]


async def test_what_the_other_side_said_cannot_spoil_an_attempt(bench: Bench) -> None:
    """An answer with characters that PostgreSQL keeps no text of is recorded without them."""

    async def babble(_: ClaimedJob, report: ReportProgress) -> Worked:
        return Worked(failure=Failure("refused", "no\x00pe", is_permanent=True), detail={"answer": ["\x00\ud800", 1]})

    job = await bench.submitted()
    execution, _ = bench.worker(babble)
    assert await execution.run(ring_of(job)) is AttemptOutcome.FAILED
    async with bench.database.transaction() as work:
        (attempt,) = await AttemptStore(work).list_of(job.job_id)
    assert (attempt.message, attempt.detail) == ("nope", {"answer": ["?", 1]})
