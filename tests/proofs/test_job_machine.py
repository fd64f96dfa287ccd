"""A random walk through the lives of jobs, in a real PostgreSQL and Valkey, beside a model that is plain values."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    invariant,
    precondition,
    rule,
)
from job_bench import new_job
from job_model import TERMINAL, Hand, JobModel, ModelJob
from job_world import KIND, LIMIT_KEY, MAX_RUNNING, QUEUE, JobWorld
from random_walks import AsyncMachine, examples, take_walks

from shared.clock import utc_now
from shared.domain.job.jobs import JobState, Ring
from shared.services.job.job_submission import Accepted, Submission
from shared.services.job.requeue import RequeueOutcome

EXAMPLES = examples(30)
STEPS = 40
ROUNDS = 12
"""In so many rounds of upkeep and of work that succeeds, every job there is must come to its end."""

MAX_LIVE = 4
"""Few jobs at a time, so that much happens to each."""
LEASE_OVER = "update jobs set lease_expires_at = now() - interval '1 s' where job_id = $1"
SELDOM = 4
"""One in so many cancels is meant: a walk of nothing but cancels leads nowhere."""
UNIQUE_KEY = "the only one"
LIVE = ("scheduled", "queued", "running", "retrying")

WORKERS = st.sampled_from(["one", "two"])
SEEN: Counter[str] = Counter()
"""How attempts and jobs of all walks together have ended, before each walk's own end was brought about."""

HOWS = st.sampled_from(["succeeded", "failed", "discarded", "snoozed", "released"])
NUMBERS = st.integers(min_value=0, max_value=10**6)


def picked(number: int, among: list[Any]) -> Any:
    """One of them; the same number picks the same one, however many are there."""
    return among[number % len(among)]


class JobMachine(AsyncMachine):
    """Whatever happens in whatever order: the rows are what the model says, and every job can come to its end."""

    def __init__(self, database_url: str, redis_url: str) -> None:
        super().__init__()
        self.model = JobModel()
        self.world = self.run(self._open(database_url, redis_url))
        self.ends: dict[object, int] = {}

    @staticmethod
    async def _open(database_url: str, redis_url: str) -> JobWorld:
        world = JobWorld(database_url, redis_url)
        await world.begin()
        return world

    # Submitting.

    @precondition(lambda self: len(self.model.in_state(*LIVE)) < MAX_LIVE)
    @rule(
        delayed=st.booleans(),
        limited=st.booleans(),
        has_deadline=st.booleans(),
        max_attempts=st.sampled_from([1, 2, 6]),
    )
    def submit(self, delayed: bool, limited: bool, has_deadline: bool, max_attempts: int) -> None:  # noqa: FBT001
        hour = timedelta(hours=1)
        job = new_job(
            kind=KIND,
            run_at=utc_now() + hour if delayed else utc_now(),
            limit_key=LIMIT_KEY if limited else None,
            expires_at=utc_now() + 2 * hour if has_deadline else None,
            max_attempts=max_attempts,
        )
        answer = self.run(self.world.bench.submission.submit(Submission(job)))
        assert isinstance(answer, Accepted)
        assert answer.job.state is (JobState.SCHEDULED if delayed else JobState.QUEUED)
        self.model.jobs[job.job_id] = ModelJob(
            job.job_id,
            state=answer.job.state.value,
            max_attempts=max_attempts,
            limit_key=job.limit_key,
            has_deadline=has_deadline,
            is_due=not delayed,
        )

    @precondition(lambda self: len(self.model.in_state(*LIVE)) < MAX_LIVE)
    @rule(worker=WORKERS, limited=st.booleans(), max_attempts=st.sampled_from([1, 2, 6]))
    def submit_and_start(self, worker: str, limited: bool, max_attempts: int) -> None:  # noqa: FBT001
        self.submit(delayed=False, limited=limited, has_deadline=False, max_attempts=max_attempts)
        newest = list(self.model.jobs)[-1]
        self._answer(Ring(newest, 1, QUEUE), worker)

    @precondition(lambda self: len(self.model.in_state(*LIVE)) < MAX_LIVE)
    @rule()
    def submit_under_a_unique_key(self) -> None:
        job = new_job(kind=KIND, unique_key=UNIQUE_KEY)
        holder = self.model.holder_of_unique(UNIQUE_KEY)
        answer = self.run(self.world.bench.submission.submit(Submission(job)))
        assert isinstance(answer, Accepted)
        assert answer.is_deduplicated == (holder is not None)
        if holder is None:
            self.model.jobs[job.job_id] = ModelJob(
                job.job_id, state="queued", max_attempts=job.max_attempts, unique_key=UNIQUE_KEY
            )
        else:
            assert answer.job.job_id == holder.job_id

    # Ringing and claiming.

    @precondition(lambda self: self.model.in_state("queued"))
    @rule(worker=WORKERS)
    def answer_next_ring(self, worker: str) -> None:
        ring = self.run(self.world.take_ring())
        if ring is not None:
            self._answer(ring, worker)

    @precondition(lambda self: self.model.jobs)
    @rule(number=NUMBERS, worker=WORKERS, back=st.integers(-1, 2))
    def answer_stray_ring(self, number: int, worker: str, back: int) -> None:
        job = picked(number, self.model.in_state(*LIVE) or list(self.model.jobs.values()))
        self._answer(Ring(job.job_id, max(1, job.dispatch_no - back), QUEUE), worker)

    @precondition(lambda self: self.model.in_state("queued"))
    @rule()
    def lose_a_ring(self) -> None:
        self.run(self.world.take_ring())

    def _answer(self, ring: Ring, worker: str) -> None:
        job = self.model.jobs[ring.job_id]
        is_at_work = self.run(self.world.answer(ring, worker))
        if not self.model.is_claimable(job, ring.dispatch_no):
            assert not is_at_work, f"a stale ring was answered for {job}"
        elif self.model.is_paused:
            assert not is_at_work, f"a paused queue's job was started: {job}"
            job.blocked_by = "paused"
        elif job.limit_key is None:
            assert is_at_work, f"a job that was free to go was not started: {job}"
            self.model.claim(job, worker)
        elif is_at_work:
            self.model.claim(job, worker)
        else:
            job.blocked_by = "concurrency"

    # Working.

    @precondition(lambda self: self.model.hands)
    @rule(number=NUMBERS, how=HOWS)
    def finish(self, number: int, how: str) -> None:
        hand: Hand = picked(number, self.model.hands)
        self._finish(hand, how)

    @precondition(lambda self: self.model.in_state("retrying"))
    @rule(worker=WORKERS, how=HOWS)
    def try_again(self, worker: str, how: str) -> None:
        """What takes four steps in a row, and uses up attempts."""
        self.let_an_hour_pass()
        self.promote()
        before = list(self.model.hands)
        self.answer_next_ring(worker)
        for hand in [hand for hand in self.model.hands if hand not in before]:
            self._finish(hand, how)

    def _finish(self, hand: Hand, how: str) -> None:
        recorded = self.run(self.world.finish(hand.job_id, hand.dispatch_no, how))
        self.model.finish(hand, how)
        if how != "released":
            assert recorded == self.model.jobs[hand.job_id].tries[hand.attempt, hand.dispatch_no]

    @precondition(lambda self: self.model.hands)
    @rule(worker=WORKERS)
    def beat(self, worker: str) -> None:
        self.run(self.world.beat(worker))
        for hand in self.model.beat(worker):
            recorded = self.run(self.world.let_go(hand.job_id, hand.dispatch_no))
            assert recorded == self.model.jobs[hand.job_id].tries[hand.attempt, hand.dispatch_no]

    # Time.

    @precondition(lambda self: self.model.in_state("running"))
    @rule(number=NUMBERS)
    def let_a_lease_run_out(self, number: int) -> None:
        job: ModelJob = picked(number, self.model.in_state("running"))
        job.is_lease_over = True
        self.run(self.world.sql(LEASE_OVER, job.job_id))

    @precondition(lambda self: self.model.in_state("running"))
    @rule(number=NUMBERS, times=st.integers(1, 4), worker=WORKERS, how=st.none() | HOWS)
    def vanish_and_be_replaced(self, number: int, times: int, worker: str, how: str | None) -> None:
        """What takes many steps in a row: a job is lost again and again, and its first worker comes back late."""
        job: ModelJob = picked(number, self.model.in_state("running"))
        late = job.holder
        for _ in range(times):
            if job.state == "running":
                job.is_lease_over = True
                self.run(self.world.sql(LEASE_OVER, job.job_id))
                self.rescue()
            if job.state == "queued":
                self._answer(Ring(job.job_id, job.dispatch_no, QUEUE), worker)
        if how is not None and late is not None:
            self._finish(late, how)

    @precondition(lambda self: self.model.in_state("scheduled", "retrying"))
    @rule()
    def let_an_hour_pass(self) -> None:
        self.run(self.world.bench.make_due())
        for job in self.model.in_state("scheduled", "retrying"):
            job.is_due = True

    @precondition(lambda self: self.model.dated())
    @rule(number=NUMBERS)
    def let_a_deadline_pass(self, number: int) -> None:
        job: ModelJob = picked(number, self.model.dated())
        job.is_late = True
        self.run(self.world.sql("update jobs set expires_at = now() - interval '1 s' where job_id = $1", job.job_id))

    # People.

    @precondition(lambda self: self.model.jobs)
    @rule(number=NUMBERS)
    def cancel(self, number: int) -> None:
        if number % SELDOM:
            return
        job: ModelJob = picked(number // SELDOM, list(self.model.jobs.values())[-2 * MAX_LIVE :])
        answer = self.run(self.world.bench.control.cancel(job.job_id))
        assert answer.outcome.value == self.model.cancel(job)

    @precondition(lambda self: self.model.in_state(*TERMINAL))
    @rule(number=NUMBERS)
    def requeue(self, number: int) -> None:
        old: ModelJob = picked(number, list(self.model.jobs.values())[-2 * MAX_LIVE :])
        answer = self.run(self.world.requeue(old.job_id))
        assert answer.job is not None
        if not old.is_done:
            assert answer.outcome is RequeueOutcome.NOT_DONE
        elif old.successor is not None:
            assert (answer.outcome, answer.job.job_id) == (RequeueOutcome.ALREADY_REQUEUED, old.successor)
        else:
            assert answer.outcome is RequeueOutcome.REQUEUED
            old.successor = answer.job.job_id
            # A key that is in use is left out, since the job it names is alive.
            is_free = self.model.holder_of_unique(old.unique_key) is None
            self.model.jobs[old.successor] = ModelJob(
                old.successor,
                state="queued",
                max_attempts=old.max_attempts,
                limit_key=old.limit_key,
                unique_key=old.unique_key if is_free else None,
            )

    @rule()
    def pause_or_resume(self) -> None:
        self.model.is_paused = not self.model.is_paused
        self.run(
            self.world.sql(
                "insert into queues (queue, paused_at) values ($1, case when $2 then now() end)"
                " on conflict (queue) do update set paused_at = excluded.paused_at",
                QUEUE,
                self.model.is_paused,
            )
        )

    # Weather and upkeep.

    @precondition(lambda self: self.model.in_state("queued"))
    @rule()
    def wipe(self) -> None:
        self.run(self.world.redis.flushall())

    @precondition(lambda self: self.model.in_state("scheduled", "retrying"))
    @rule()
    def promote(self) -> None:
        self.run(self.world.bench.recovery.promote())
        self.model.promote()

    @precondition(lambda self: any(job.is_late for job in self.model.in_state(*LIVE)))
    @rule()
    def expire(self) -> None:
        self.run(self.world.bench.recovery.expire())
        self.model.expire()

    @precondition(lambda self: self.model.in_state("running"))
    @rule()
    def rescue(self) -> None:
        self.run(self.world.bench.recovery.rescue())
        self.model.rescue()

    @precondition(lambda self: any(job.blocked_by for job in self.model.in_state("queued")))
    @rule()
    def release_held_jobs(self) -> None:
        self.run(self.world.holds.release())
        self.model.unpause()

    @rule()
    def sweep(self) -> None:
        self.run(self.world.bench.repair.sweep())

    @rule()
    def mend_rings(self) -> None:
        self.run(self.world.mend_rings())
        waiting = [job for job in self.model.in_state("queued") if not job.blocked_by and not job.is_late]
        missing = {f"{job.job_id}:{job.dispatch_no}" for job in waiting} - self.run(self.world.rings())
        assert not missing, "upkeep left jobs without a ring"

    # What always holds.

    @invariant()
    def the_rows_are_what_the_model_says(self) -> None:
        self.run(self.world.settle())
        rows = self.run(self.world.rows())
        assert rows.keys() == self.model.jobs.keys()
        for job_id, row in rows.items():
            job = self.model.jobs[job_id]
            if job.limit_key is not None and job.state == row.state == "queued":
                self._adopt_hold(job, row.blocked_by, row.dispatch_no)
            seen = (row.state, row.attempt, row.lost, row.dispatch_no, row.blocked_by, row.is_cancel_requested)
            said = (job.state, job.attempt, job.lost, job.dispatch_no, job.blocked_by, job.is_cancel_requested)
            assert seen == said, f"{job}"
            assert row.tries == job.tries, f"{job}"
            if job.is_done:
                assert self.ends.setdefault(job_id, row.version) == row.version, "what has ended was changed"
        limited = [job for job in self.model.in_state("running") if job.limit_key is not None]
        assert len(limited) <= MAX_RUNNING

    @staticmethod
    def _adopt_hold(job: ModelJob, blocked_by: str | None, dispatch_no: int) -> None:
        """A limit lets go when there is room, and with it a new dispatch; which job goes first is not modelled."""
        if job.blocked_by == "concurrency" and blocked_by is None:
            assert dispatch_no == job.dispatch_no + 1
            job.blocked_by, job.dispatch_no = None, dispatch_no

    def teardown(self) -> None:
        """From wherever the walk has led, every job comes to its end."""
        try:
            self._bring_to_an_end()
            SEEN.update(outcome for job in self.model.jobs.values() for outcome in job.tries.values())
            SEEN.update(job.state for job in self.model.jobs.values() if job.is_done)
            SEEN["lost"] += sum(job.lost for job in self.model.jobs.values())
        finally:
            self.run(self.world.end())
            self.runner.close()

    def _bring_to_an_end(self) -> None:
        for hand in list(self.model.hands):
            self._finish(hand, "released")
        if self.model.is_paused:
            self.pause_or_resume()
        for _ in range(ROUNDS):
            self.let_an_hour_pass()
            self.run(self.world.upkeep())
            while ring := self.run(self.world.take_ring()):
                if self.run(self.world.answer(ring, "one")):
                    self.run(self.world.finish(ring.job_id, ring.dispatch_no, "succeeded"))
            self.run(self.world.settle())
        left = {
            job_id: row for job_id, row in self.run(self.world.rows()).items() if not JobState(row.state).is_terminal
        }
        assert not left, f"jobs that nothing brings to an end: {left}"


@pytest.mark.timeout(3600)
def test_jobs_live_as_the_model_says(fresh_database_url: str, redis_url: str) -> None:
    """Submit, ring, claim, beat, lose, rescue, finish, cancel, requeue, pause, wipe, mend: in any order, never lost."""
    take_walks(lambda: JobMachine(fresh_database_url, redis_url), walks=EXAMPLES, steps=STEPS)
    wanted = {"succeeded", "failed", "lost", "fenced", "released", "snoozed", "cancelled"}
    assert all(SEEN[outcome] for outcome in wanted), SEEN
