"""Queues measured, steered, and closed to what they cannot hold."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
import structlog.testing
from job_bench import Bench, new_job, ring_of

from shared.clock import utc_now
from shared.domain.fleet.limits import Limit
from shared.domain.job.attempts import ReportProgress, Worked
from shared.domain.job.jobs import JobKind
from shared.domain.job.leases import ClaimedJob
from shared.services.fleet.queues import Queues
from shared.services.job import admission
from shared.services.job.admission import Admission, QueueDrainingError, QueueFullError
from shared.storage.fleet.limit_store import LimitStore
from shared.storage.job.job_store import JobStore
from shared.storage.job.lease_store import LeaseStore

SLOTS = {JobKind.COLLECT: 20, JobKind.NOTIFY: 100, JobKind.REQUEUE: 2}


@pytest.fixture
def queues(bench: Bench) -> Queues:
    return Queues(bench.database, slots=SLOTS, default_limit=10, clock=utc_now)


async def insert(bench: Bench, count: int, **changes: object) -> None:
    async with bench.database.transaction() as work:
        await JobStore(work).insert([new_job(**changes) for _ in range(count)], now=utc_now())


async def steer(queues: Queues, *, is_paused: bool | None = None, is_draining: bool | None = None) -> None:
    await queues.set_flow(JobKind.NOTIFY, is_paused=is_paused, is_draining=is_draining, by="anna", reason="upgrade")


async def succeed(_: ClaimedJob, report: ReportProgress) -> Worked:
    await asyncio.sleep(0.01)
    return Worked()


async def test_a_queue_is_measured_by_what_its_rows_say(bench: Bench, queues: Queues) -> None:
    """Waiting, held, due later and ended jobs are told apart, each queue by itself."""
    async with bench.database.transaction() as work:
        await LimitStore(work).put(Limit("acme", max_running=1))
    jobs = [await bench.submitted() for _ in range(3)]
    held = [await bench.submitted(limit_key="acme") for _ in range(3)]
    execution, _ = bench.worker(succeed)
    await asyncio.gather(*(execution.run(ring_of(job)) for job in (jobs[0], *held)))
    await insert(bench, 2, run_at=utc_now() + timedelta(hours=1))
    await insert(bench, 1, kind=JobKind.COLLECT, run_at=utc_now() - timedelta(seconds=30))
    reading = await queues.measure()
    notify, collect = reading.figures[JobKind.NOTIFY], reading.figures[JobKind.COLLECT]
    assert (notify.waiting + sum(notify.blocked.values()), notify.scheduled, notify.running) == (4, 2, 0)
    assert (notify.arrivals.count, notify.ends.count, notify.is_estimate) == (8, 2, False)
    assert notify.service_p50_seconds is not None
    assert 0.01 <= notify.service_p50_seconds < 5
    assert (collect.waiting, collect.arrivals.count, collect.ends.count) == (1, 1, 0)
    assert collect.oldest_seconds is not None
    assert 30 <= collect.oldest_seconds < 60


async def test_queues_that_are_no_kinds_of_jobs_are_passed_over(bench: Bench, queues: Queues) -> None:
    """A drill stages its losses on a queue of its own, in every state."""
    jobs = [await bench.submitted() for _ in range(4)]
    execution, _ = bench.worker(succeed)
    await execution.run(ring_of(jobs[0]))
    async with bench.database.transaction() as work:
        claimed, _ = await LeaseStore(work).claim_queued(
            [(ring_of(jobs[1]), uuid4())], owner="doctor", lease=timedelta(seconds=1)
        )
        await work.run("update jobs set blocked_by = 'paused' where job_id = $1", jobs[2].job_id)
        await work.run("update jobs set queue = 'tocsin:drill:1'")
        await work.run("insert into queues (queue) values ('tocsin:drill:1')")
    assert set(claimed) == {jobs[1].job_id}
    await insert(bench, 1)
    found = (await queues.measure()).figures[JobKind.NOTIFY]
    assert (found.waiting, found.running, found.arrivals.count, found.ends.count) == (1, 0, 1, 0)


async def test_a_count_at_its_bound_says_that_there_may_be_more(bench: Bench, queues: Queues) -> None:
    """A queue is counted up to its limit, and one."""
    await insert(bench, 30)
    found = (await queues.measure()).figures[JobKind.NOTIFY]
    assert (found.waiting, found.is_estimate) == (11, True)


async def test_only_workers_alive_count(bench: Bench, queues: Queues) -> None:
    """One that serves a single queue tells its slots, one that serves several has those of the settings."""
    async with bench.database.transaction() as work:
        await work.run(
            """
            insert into workers (worker_id, host, pid, version, queues, slots, busy, loop_lag_ms, rss_bytes,
                                 lease_seconds, started_at, beat_at, state)
            select name, 'h', 1, '1', queues::text[], slots, 0, 0, 0, 30, now(), now() - age * interval '1 s', state
            from (values ('one', '{tocsin:notify}', 7, 0, 'running'),
                         ('all', '{tocsin:notify,tocsin:collect}', 120, 29, 'running'),
                         ('dead', '{tocsin:notify}', 50, 31, 'running'),
                         ('quiet', '{tocsin:notify}', 50, 0, 'quiet')) as w (name, queues, slots, age, state)
            """
        )
    figures = (await queues.measure()).figures
    assert (figures[JobKind.NOTIFY].workers, figures[JobKind.NOTIFY].slots) == (2, 107)
    assert (figures[JobKind.COLLECT].workers, figures[JobKind.COLLECT].slots) == (1, 20)


async def test_what_is_fresh_is_not_measured_again(bench: Bench, queues: Queues) -> None:
    """Everybody who asks within a second shares one measurement; what was set shows at once."""
    first = await queues.current()
    await insert(bench, 1)
    await steer(queues, is_paused=True)
    second = await queues.current()
    assert second.figures is first.figures
    assert second.settings[JobKind.NOTIFY].paused_at is not None


async def test_a_full_queue_takes_nothing_and_says_for_how_long(bench: Bench, queues: Queues) -> None:
    """Another queue is not concerned, and a larger limit opens it."""
    admission = Admission(queues)
    admission.check(JobKind.NOTIFY, 1000)
    await insert(bench, 9)
    await queues.measure()
    admission.check(JobKind.NOTIFY)
    with pytest.raises(QueueFullError) as refused:
        admission.check(JobKind.NOTIFY, 2)
    assert refused.value.retry_after_seconds == 60
    admission.check(JobKind.COLLECT, 10)
    await queues.set_admission_limit(JobKind.NOTIFY, 11)
    await queues.measure()
    admission.check(JobKind.NOTIFY, 2)


async def test_a_draining_queue_takes_nothing_until_it_is_resumed(bench: Bench, queues: Queues) -> None:
    """What is there is worked off meanwhile."""
    admission = Admission(queues)
    await insert(bench, 1)
    await steer(queues, is_draining=True)
    await queues.measure()
    with pytest.raises(QueueDrainingError):
        admission.check(JobKind.NOTIFY)
    await steer(queues, is_paused=False, is_draining=False)
    await queues.measure()
    admission.check(JobKind.NOTIFY)


async def test_pausing_twice_keeps_the_moment(bench: Bench, queues: Queues) -> None:
    """A second pause changes who and why; a drain beside it is told apart."""
    await steer(queues, is_draining=True)
    await steer(queues, is_paused=True)
    first = (await queues.current()).settings[JobKind.NOTIFY]
    await queues.set_flow(JobKind.NOTIFY, is_paused=True, is_draining=None, by="ben", reason=None)
    second = (await queues.current()).settings[JobKind.NOTIFY]
    assert (second.paused_at, second.draining_at) == (first.paused_at, first.draining_at)
    assert (first.changed_by, first.reason, second.changed_by, second.reason) == ("anna", "upgrade", "ben", None)


async def reached(is_reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while True:
            await asyncio.sleep(0)
            if is_reached():
                return


async def test_admission_measures_in_the_background(
    bench: Bench, queues: Queues, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process learns of a full queue without being asked to, also after an error that nobody foresaw."""
    await insert(bench, 10)
    monkeypatch.setattr(admission, "FRESH_SECONDS", 0.01)
    monkeypatch.setattr(queues, "default_limit", None)
    with structlog.testing.capture_logs() as logged:
        measuring = asyncio.create_task(Admission(queues).run())
        try:
            await reached(lambda: bool(logged))
            monkeypatch.setattr(queues, "default_limit", 10)
            await reached(lambda: queues.latest is not None)
        finally:
            measuring.cancel()
    with pytest.raises(QueueFullError):
        Admission(queues).check(JobKind.NOTIFY)
