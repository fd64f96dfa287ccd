"""A worker's heartbeat: its leases, the progress of its jobs, itself, and what it hears in return."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from job_bench import Bench, ring_of

from shared.domain.fleet.workers import Liveness, Worker, WorkerOrder
from shared.domain.job.attempts import ReportProgress, Worked
from shared.domain.job.jobs import AttemptOutcome, Job
from shared.domain.job.leases import ClaimedJob, JobChange
from shared.events import Orders
from shared.services.fleet.fleet import Fleet
from shared.services.job.leases import Leases
from shared.storage.errors import StorageUnavailableError
from shared.storage.fleet.worker_store import WorkerStore
from shared.tasks import end_tasks
from worker.loop_watch import watch_loop

WAIT_SECONDS = 20


class Reporting:
    """Work that tells how far it is when it is told to, and ends when it is let go."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.release = asyncio.Event()
        self.report: ReportProgress = lambda _: None

    async def __call__(self, claimed: ClaimedJob, report: ReportProgress) -> Worked:
        self.report = report
        self.started.set()
        await self.release.wait()
        return Worked(result={})


@asynccontextmanager
async def running(bench: Bench, work: Reporting) -> AsyncIterator[tuple[Job, Leases, "asyncio.Task[Any]"]]:
    """A job under way, its worker's leases, and its attempt."""
    job = await bench.submitted()
    execution, leases = bench.worker(work)
    attempt = asyncio.create_task(execution.run(ring_of(job)))
    await work.started.wait()
    yield job, leases, attempt
    work.release.set()
    await attempt


@asynccontextmanager
async def beating(leases: Leases, *more: Any) -> AsyncIterator[None]:
    """The heartbeat as a worker process has it; its first beat is over."""
    beaten = asyncio.Event()
    tasks = [asyncio.create_task(each) for each in (leases.run(lambda _: beaten.set()), *more)]
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            await beaten.wait()
        yield
    finally:
        await end_tasks(tasks)


@pytest.fixture
def fleet(bench: Bench) -> Fleet:
    return Fleet(bench.database, Orders(bench.redis))


async def only_worker(fleet: Fleet) -> Worker:
    (worker,) = await fleet.list_workers(after=None, limit=10)
    return worker


async def test_a_worker_without_jobs_beats_too(bench: Bench, fleet: Fleet) -> None:
    """Whether it lives is seen by its row, which is written again with each beat."""
    _, leases = bench.worker(Reporting())
    await leases.beat()
    first = await only_worker(fleet)
    assert (first.worker_id, first.busy, first.liveness) == ("worker-1", 0, Liveness.ALIVE)
    await leases.beat()
    second = await only_worker(fleet)
    assert second.started_at == first.started_at
    assert second.beat_at > first.beat_at


async def test_a_beat_says_how_the_worker_fares(bench: Bench, fleet: Fleet) -> None:
    """Its leases are its load; of the standstills since the last beat the longest counts."""
    async with running(bench, Reporting()) as (_, leases, _):
        for seconds in (0.5, 1.5, 0.25):
            leases.vitals.note_lag(seconds)
        await leases.beat()
        worker = await only_worker(fleet)
        assert (worker.busy, worker.loop_lag_ms) == (1, 1500.0)
        await leases.beat()
        assert (await only_worker(fleet)).loop_lag_ms == 0


async def test_a_standstill_is_told_by_the_next_beat_that_succeeds(
    bench: Bench, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The beat that it spoiled cannot tell of it."""
    _, leases = bench.worker(Reporting())
    leases.vitals.note_lag(3)
    report = WorkerStore.report

    async def fail(*_: object) -> None:
        raise StorageUnavailableError("the database is away")

    monkeypatch.setattr(WorkerStore, "report", fail)
    with pytest.raises(StorageUnavailableError):
        await leases.beat()
    monkeypatch.setattr(WorkerStore, "report", report)
    await leases.beat()
    assert (await only_worker(fleet)).loop_lag_ms == 3000


async def test_news_of_progress_is_written_and_told(bench: Bench) -> None:
    """The job's version grows with it, so that who waits for a change sees it."""
    heard: asyncio.Queue[JobChange] = asyncio.Queue()
    stands = asyncio.Event()
    listening = asyncio.create_task(bench.events.listen(heard.put_nowait, reconnected=stands.set))
    work = Reporting()
    async with running(bench, work) as (job, leases, _):
        await asyncio.wait_for(stands.wait(), WAIT_SECONDS)
        before = await bench.job(job.job_id)
        work.report({"done": 3, "total": 10})
        await leases.beat()
        after = await bench.job(job.job_id)
        assert (after.progress, after.version) == ({"done": 3, "total": 10}, before.version + 1)
        async with asyncio.timeout(WAIT_SECONDS):
            while (await heard.get()).version < after.version:
                pass
    listening.cancel()


async def test_without_news_of_progress_nothing_changes(bench: Bench) -> None:
    """Neither a beat in silence nor the same words again make a new version."""
    work = Reporting()
    async with running(bench, work) as (job, leases, _):
        progress = {"done": 3}
        work.report(progress)
        await leases.beat()
        before = await bench.job(job.job_id)
        await leases.beat()
        work.report({"done": 3})
        await leases.beat()
        assert await bench.job(job.job_id) == before
        # The work may go on using what it reported.
        progress["done"] = 4
        work.report(progress)
        await leases.beat()
        assert (await bench.job(job.job_id)).progress == {"done": 4}


async def test_an_end_tells_how_far_the_job_came(bench: Bench) -> None:
    """What a heartbeat wrote does not stay behind what was done since."""
    work = Reporting()
    async with running(bench, work) as (job, leases, _):
        work.report({"done": 3, "total": 10})
        await leases.beat()
        work.report({"done": 10, "total": 10})
    assert (await bench.job(job.job_id)).progress == {"done": 10, "total": 10}


async def test_a_job_that_was_faster_than_a_heartbeat_has_no_progress(bench: Bench) -> None:
    """Its result tells all."""
    work = Reporting()
    async with running(bench, work) as (job, _, _):
        work.report({"done": 10, "total": 10})
    assert (await bench.job(job.job_id)).progress is None


async def test_a_cancel_is_heard_at_once(bench: Bench) -> None:
    """Over Valkey, long before the next beat, which is ten seconds away."""
    orders, stands = Orders(bench.redis), asyncio.Event()
    async with (
        running(bench, Reporting()) as (job, leases, attempt),
        beating(leases, orders.listen(leases.hear, reconnected=stands.set)),
    ):
        await asyncio.wait_for(stands.wait(), WAIT_SECONDS)
        asked_at = time.monotonic()
        await bench.control.cancel(job.job_id)
        assert await asyncio.wait_for(attempt, WAIT_SECONDS) is AttemptOutcome.CANCELLED
        assert time.monotonic() - asked_at < 5


async def test_an_order_for_others_is_nothing_to_beat_for(bench: Bench, fleet: Fleet) -> None:
    """A large fleet does not beat as one for each cancel."""
    async with running(bench, Reporting()) as (_, leases, _), beating(leases):
        beat_at = (await only_worker(fleet)).beat_at
        leases.hear(frozenset({"somebody:else:0a1b2c"}))
        for _ in range(20):  # A beat would take about as long as one of these.
            assert (await only_worker(fleet)).beat_at == beat_at
        leases.hear(frozenset({"worker-1"}))
        async with asyncio.timeout(WAIT_SECONDS):
            while (await only_worker(fleet)).beat_at == beat_at:
                pass


async def test_a_beat_brings_what_is_ordered(bench: Bench, fleet: Fleet) -> None:
    """Until it is taken back, each beat again."""
    _, leases = bench.worker(Reporting())
    assert await leases.beat() is None
    await fleet.order("worker-1", WorkerOrder.QUIET)
    assert await leases.beat() is WorkerOrder.QUIET
    assert await leases.beat() is WorkerOrder.QUIET
    await fleet.order("worker-1", None)
    assert await leases.beat() is None


async def test_a_worker_that_left_is_gone_and_one_that_vanished_goes_after_a_day(bench: Bench, fleet: Fleet) -> None:
    """What is silent for less is still shown."""
    for owner in ("left", "vanished", "silent"):
        await bench.worker(Reporting(), owner=owner)[1].beat()
    async with bench.database.transaction() as work:
        for owner, hours in (("vanished", 25), ("silent", 23)):
            await work.run(
                "update workers set beat_at = now() - $2 * interval '1 h' where worker_id = $1", owner, hours
            )
    await fleet.leave("left")
    assert await fleet.forget_silent() == 1
    worker = await only_worker(fleet)
    assert (worker.worker_id, worker.liveness) == ("silent", Liveness.SILENT)


async def test_leases_that_ran_out_while_the_loop_stood_still_are_given_up(bench: Bench) -> None:
    """Judged at once afterwards, as when the whole process was stopped and continued, before any beat is answered."""
    bench.lease = timedelta(seconds=0.3)
    async with running(bench, Reporting()) as (_, leases, attempt):
        watching = asyncio.create_task(watch_loop(leases))
        await asyncio.sleep(0)
        time.sleep(0.5)  # noqa: ASYNC251 - that is what is tested
        assert await asyncio.wait_for(attempt, WAIT_SECONDS) is AttemptOutcome.RELEASED
        assert leases.vitals.take_lag() >= 0.3
        watching.cancel()
