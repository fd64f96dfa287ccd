"""Ended jobs run anew: once each, and by filter whatever happens to the one who does it."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from job_bench import Bench, Work, new_job, ring_of
from uuid_utils.compat import uuid7

from shared.clock import utc_now
from shared.domain.job.attempts import ReportProgress, Worked
from shared.domain.job.fingerprints import fingerprint_of
from shared.domain.job.jobs import Failure, Job, JobKind, JobState
from shared.domain.job.leases import ClaimedJob
from shared.domain.job.requeue import Canary, RequeueChanges, Requeued, RequeueFilter, RequeueOrder
from shared.services.job.requeue import Requeue, RequeueAnswer, RequeueOutcome
from shared.services.job.requeue_work import RequeueWork, order_json
from shared.storage.job.job_store import JobStore
from shared.storage.job.requeue_store import Requeuer, RequeueStore

BROKEN = Failure("rejected", "the receiver answered 400", is_permanent=True)
LONG_AGO = utc_now() - timedelta(days=1)


async def fail(_: ClaimedJob, report: ReportProgress) -> Worked:
    return Worked(failure=BROKEN)


async def succeed(_: ClaimedJob, report: ReportProgress) -> Worked:
    return Worked()


async def requeued(bench: Bench, job_id: UUID, changes: RequeueChanges | None = None) -> RequeueAnswer:
    requeue = Requeue(bench.database, bench.announcer)
    return await requeue.requeue(job_id, principal_id="someone", changes=changes or RequeueChanges())


async def run(bench: Bench, job: Job, work: Work) -> Job:
    """Run a job once, as a worker does; the job afterwards."""
    execution, _ = bench.worker(work)
    await execution.run(ring_of(job, job.dispatch_no))
    await execution.drain()
    return await bench.job(job.job_id)


async def failed_jobs(bench: Bench, count: int, **changes: object) -> list[Job]:
    jobs = [await bench.submitted(**changes) for _ in range(count)]
    return [await run(bench, job, fail) for job in jobs]


async def order(bench: Bench, canary: Canary | None = None, **changes: object) -> Job:
    """A requeue job over all that failed."""
    wanted = RequeueOrder(RequeueFilter(), canary=canary)
    return await bench.submitted(kind=JobKind.REQUEUE, spec=order_json(replace(wanted, **changes)))


async def children_of(bench: Bench, job: Job) -> list[Job]:
    async with bench.database.transaction() as work:
        rows = await work.fetch("select job_id from jobs where parent_id = $1 order by job_id", job.job_id)
    return [await bench.job(row.job_id) for row in rows]


async def test_requeues_of_the_same_unique_keys_do_not_wait_in_a_circle(bench: Bench) -> None:
    """Jobs that share keys crosswise are requeued by two orders at once, the first held up half-way by a third."""
    first_one, held_up, first_two, then_two, then_one = [
        (await failed_jobs(bench, 1, unique_key=key))[0].job_id for key in ("one", "zzz", "two", "two", "one")
    ]

    async def requeue(*job_ids: UUID) -> list[Requeued]:
        async with bench.database.transaction() as work:
            return (await RequeueStore(work).requeue_ended(job_ids, Requeuer("someone")))[0]

    async with bench.database.transaction() as work:
        await JobStore(work).insert([new_job(unique_key="zzz")], now=utc_now())
        orders = [asyncio.create_task(requeue(first_one, held_up, first_two))]
        await waiters(bench, 1)
        orders.append(asyncio.create_task(requeue(then_two, then_one)))
        await waiters(bench, 2)
    assert [len(made) for made in await asyncio.gather(*orders)] == [3, 2]


async def waiters(bench: Bench, count: int) -> None:
    """Wait until so many transactions wait for others."""
    async with asyncio.timeout(30), bench.database.transaction() as watch:
        while len(await watch.fetch("select 1 from pg_locks where not granted")) < count:
            pass


class TestOneJob:
    """An ended job is run anew as a new one."""

    async def test_the_new_job_is_the_old_one_again(self, bench: Bench) -> None:
        """It has the old one's work and says whose successor it is; it is due now, and rung."""
        [old] = await failed_jobs(bench, 1, labels={"team": "web"}, priority=7, limit_key="acme", max_attempts=9)
        answer = await requeued(bench, old.job_id)
        assert answer.outcome is RequeueOutcome.REQUEUED
        new = answer.job
        assert new is not None
        assert (new.state, new.requeue_of, new.attempt, new.principal_id) == (JobState.QUEUED, old.job_id, 0, "someone")
        for name in ("kind", "queue", "spec", "labels", "priority", "limit_key", "max_attempts"):
            assert getattr(new, name) == getattr(old, name), name
        assert f"{new.job_id}:1" in await bench.rung()

    async def test_the_old_job_is_untouched(self, bench: Bench) -> None:
        """History is never overwritten."""
        [old] = await failed_jobs(bench, 1)
        await requeued(bench, old.job_id)
        assert await bench.job(old.job_id) == old

    async def test_a_receiver_knows_the_repeat(self, bench: Bench) -> None:
        """The notification's id stays the first job's, over any number of requeues."""
        [job] = await failed_jobs(bench, 1)
        first, told = job.job_id, []

        async def tell(claimed: ClaimedJob, report: ReportProgress) -> Worked:
            told.append(claimed.notification_id)
            return Worked(failure=BROKEN)

        for _ in range(2):
            job = (await requeued(bench, job.job_id)).job or job
            await run(bench, job, tell)
        assert told == [first, first]

    async def test_a_job_is_requeued_once(self, bench: Bench) -> None:
        """Whoever asks again, even at the same time, is shown the one that was made."""
        [old] = await failed_jobs(bench, 1)
        answers = await asyncio.gather(*(requeued(bench, old.job_id) for _ in range(5)))
        assert sorted(answer.outcome for answer in answers) == ["already_requeued"] * 4 + ["requeued"]
        assert len({answer.job.job_id for answer in answers if answer.job}) == 1

    async def test_a_job_that_lives_is_not_requeued(self, bench: Bench) -> None:
        """There is nothing to repeat yet."""
        job = await bench.submitted()
        assert (await requeued(bench, job.job_id)).outcome is RequeueOutcome.NOT_DONE

    async def test_an_unknown_job_is_not_requeued(self, bench: Bench) -> None:
        """And says so."""
        assert await requeued(bench, uuid4()) == RequeueAnswer(RequeueOutcome.NOT_FOUND, None)

    @pytest.mark.parametrize("end", ["succeeded", "cancelled"])
    async def test_any_ended_job_may_be_requeued(self, bench: Bench, end: str) -> None:
        """Not only failures."""
        job = await bench.submitted()
        if end == "succeeded":
            await run(bench, job, succeed)
        else:
            await bench.control.cancel(job.job_id)
        assert (await requeued(bench, job.job_id)).outcome is RequeueOutcome.REQUEUED

    async def test_what_is_to_be_otherwise_is(self, bench: Bench) -> None:
        """Later, more often, sooner than others."""
        [old] = await failed_jobs(bench, 1)
        later = utc_now() + timedelta(hours=1)
        new = (await requeued(bench, old.job_id, RequeueChanges(later, max_attempts=7, priority=9))).job
        assert new is not None
        assert (new.state, new.run_at, new.max_attempts, new.priority) == (JobState.SCHEDULED, later, 7, 9)

    async def test_a_unique_key_goes_along(self, bench: Bench) -> None:
        """As long as it is free."""
        [old] = await failed_jobs(bench, 1, unique_key="nightly")
        new = (await requeued(bench, old.job_id)).job
        assert new is not None
        assert new.unique_key == "nightly"

    async def test_a_unique_key_in_use_is_left_out(self, bench: Bench) -> None:
        """The living job keeps it."""
        [old] = await failed_jobs(bench, 1, unique_key="nightly")
        await bench.submitted(unique_key="nightly")
        answer = await requeued(bench, old.job_id)
        assert answer.outcome is RequeueOutcome.REQUEUED
        assert answer.job is not None
        assert answer.job.unique_key is None


class TestByFilter:
    """A requeue job."""

    async def test_everything_that_matches_is_requeued_once(self, bench: Bench) -> None:
        """Each under the requeue job, none twice, and the result counts them."""
        jobs = await failed_jobs(bench, 5)
        await requeued(bench, jobs[0].job_id)
        bulk = await order(bench)
        done = await run(bench, bulk, RequeueWork(bench.database, bench.announcer))
        assert done.state is JobState.SUCCEEDED
        assert done.result is not None
        assert (done.result["matched"], done.result["requeued"]) == (4, 4)
        children = await children_of(bench, bulk)
        assert {child.requeue_of for child in children} == {job.job_id for job in jobs[1:]}
        assert {f"{child.job_id}:1" for child in children} <= await bench.rung()

    async def test_what_fails_anew_is_not_requeued_again(self, bench: Bench) -> None:
        """One order runs each job once more, not for ever."""
        await failed_jobs(bench, 2)
        bulk = await order(bench)
        await run(bench, bulk, RequeueWork(bench.database, bench.announcer))
        for child in await children_of(bench, bulk):
            await run(bench, child, fail)
        async with bench.database.transaction() as work:
            store = RequeueStore(work)
            found = await store.list_matching(RequeueFilter(), requeue_job_id=bulk.job_id, after=None, limit=9)
            others = await store.list_matching(RequeueFilter(), requeue_job_id=uuid7(), after=None, limit=9)
        assert (len(found), len(others)) == (0, 2)

    async def test_the_limit_holds(self, bench: Bench) -> None:
        """No more than asked for, those that ended first."""
        jobs = await failed_jobs(bench, 3)
        bulk = await order(bench, limit=2)
        done = await run(bench, bulk, RequeueWork(bench.database, bench.announcer))
        assert done.result is not None
        assert (done.result["requeued"], done.result["reason"]) == (2, "limit_reached")
        assert {child.requeue_of for child in await children_of(bench, bulk)} == {job.job_id for job in jobs[:2]}

    @pytest.mark.parametrize(
        ("wanted", "count"),
        [
            (RequeueFilter(), 2),
            (RequeueFilter(labels={"team": "web"}), 1),
            (RequeueFilter(kind="collect"), 0),
            (RequeueFilter(kind="notify"), 2),
            (RequeueFilter(error_code="rejected"), 2),
            (RequeueFilter(error_code="gone"), 0),
            (RequeueFilter(fingerprint=fingerprint_of(JobKind.NOTIFY, BROKEN)), 2),
            (RequeueFilter(fingerprint="0" * 16), 0),
            (RequeueFilter(states=(JobState.CANCELLED,)), 0),
            (RequeueFilter(states=(JobState.CANCELLED, JobState.FAILED)), 2),
            (RequeueFilter(finished_before=LONG_AGO), 0),
            (RequeueFilter(finished_after=LONG_AGO), 2),
        ],
    )
    async def test_a_filter_narrows(self, bench: Bench, wanted: RequeueFilter, count: int) -> None:
        """By label, kind, code, fingerprint, state and time; the count and the walk agree."""
        await failed_jobs(bench, 1, labels={"team": "web"})
        await failed_jobs(bench, 1, labels={"team": "db"})
        async with bench.database.transaction() as work:
            found = await RequeueStore(work).list_matching(wanted, requeue_job_id=uuid7(), after=None, limit=9)
        assert len(found) == count
        assert await Requeue(bench.database, bench.announcer).count(wanted, at_most=9) == count

    async def test_a_crash_between_batches_requeues_nothing_twice(self, bench: Bench) -> None:
        """The next attempt goes on where the dead worker was."""
        await failed_jobs(bench, 5)
        bulk = await order(bench)
        async with bench.database.transaction() as work:
            store = RequeueStore(work)
            found = await store.list_matching(RequeueFilter(), requeue_job_id=bulk.job_id, after=None, limit=3)
            await store.requeue_ended([job_id for _, job_id in found], Requeuer("x", parent_id=bulk.job_id))
        done = await run(bench, bulk, RequeueWork(bench.database, bench.announcer))
        assert done.result is not None
        assert (done.result["matched"], done.result["requeued"]) == (5, 5)
        assert len({child.requeue_of for child in await children_of(bench, bulk)}) == 5

    async def test_a_worker_without_its_lease_requeues_nothing(self, bench: Bench) -> None:
        """Fenced like every other write."""
        await failed_jobs(bench, 1)
        bulk = await order(bench)
        work = RequeueWork(bench.database, bench.announcer)

        async def too_late(claimed: ClaimedJob, report: ReportProgress) -> Worked:
            await bench.expire_leases()
            await bench.recovery.rescue()
            return await work(claimed, report)

        await run(bench, bulk, too_late)
        assert await children_of(bench, bulk) == []

    async def test_a_cancelled_order_requeues_no_more(self, bench: Bench) -> None:
        """Once the cancel is committed no batch follows, even before the worker has heard of it."""
        await failed_jobs(bench, 1)
        bulk = await order(bench)
        work = RequeueWork(bench.database, bench.announcer)

        async def cancelled_meanwhile(claimed: ClaimedJob, report: ReportProgress) -> Worked:
            await bench.control.cancel(claimed.job_id)
            return await work(claimed, report)

        assert (await run(bench, bulk, cancelled_meanwhile)).state is JobState.CANCELLED
        assert await children_of(bench, bulk) == []

    async def test_a_spec_of_another_version_is_a_permanent_failure(self, bench: Bench) -> None:
        """It is not tried ten times."""
        bulk = await bench.submitted(kind=JobKind.REQUEUE, spec='{"filter": 1}')
        done = await run(bench, bulk, RequeueWork(bench.database, bench.announcer))
        assert (done.state, (done.error or {})["code"]) == (JobState.FAILED, "unreadable_spec")


class TestCanary:
    """A few first."""

    async def test_it_goes_on_when_the_first_ones_succeed(self, bench: Bench) -> None:
        """One, then two, then the rest; between them the job waits without a worker."""
        await failed_jobs(bench, 5)
        bulk = await order(bench, Canary(steps=(1, 2), max_failure_rate=0.0))
        work = RequeueWork(bench.database, bench.announcer)
        seen = []
        for _ in range(3):
            bulk = await run(bench, bulk, work)
            children = await children_of(bench, bulk)
            seen.append((bulk.state, len(children)))
            for child in children:
                if not child.is_done:
                    await run(bench, child, succeed)
            await bench.make_due()
            await bench.recovery.promote()
            bulk = await bench.job(bulk.job_id)
        assert seen == [(JobState.RETRYING, 1), (JobState.RETRYING, 3), (JobState.SUCCEEDED, 5)]
        assert bulk.attempt == 1

    async def test_it_stops_when_they_fail_again(self, bench: Bench) -> None:
        """The rest stays as it is, and the job says in numbers why."""
        await failed_jobs(bench, 4)
        bulk = await order(bench, Canary())
        work = RequeueWork(bench.database, bench.announcer)
        bulk = await run(bench, bulk, work)
        [child] = await children_of(bench, bulk)
        await run(bench, child, fail)
        await bench.make_due()
        await bench.recovery.promote()
        bulk = await run(bench, await bench.job(bulk.job_id), work)
        assert bulk.state is JobState.FAILED
        assert bulk.error == {
            "code": "canary_failed",
            "message": "1 of the first 1 failed again (canary 1 of 2), 3 were left as they are",
        }
        assert bulk.progress == {
            "matched": 4,
            "requeued": 1,
            "succeeded": 0,
            "failed": 1,
            "stage": "canary 1 of 2",
        }

    async def test_it_can_be_cancelled_while_it_waits(self, bench: Bench) -> None:
        """Nothing more is requeued then."""
        await failed_jobs(bench, 2)
        bulk = await order(bench, Canary())
        await run(bench, bulk, RequeueWork(bench.database, bench.announcer))
        await bench.control.cancel(bulk.job_id)
        await bench.make_due()
        assert await bench.recovery.promote() == 0
        assert len(await children_of(bench, bulk)) == 1
