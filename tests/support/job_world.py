"""Jobs in a real PostgreSQL and Valkey, moved by single steps: whoever asks decides what happens next."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from job_bench import Bench
from redis.asyncio import Redis

from shared.domain.job.attempts import ReportProgress, Worked
from shared.domain.job.jobs import AttemptOutcome, Failure, JobKind, Ring
from shared.domain.job.leases import ClaimedJob
from shared.domain.job.requeue import RequeueChanges
from shared.services.job.holds import Holds
from shared.services.job.job_execution import JobExecution
from shared.services.job.leases import Leases
from shared.services.job.requeue import Requeue, RequeueAnswer
from shared.storage.database import Database, create_engine
from shared.storage.job.job_store import QUEUE_OF
from shared.storage.tables import metadata

KIND = JobKind.NOTIFY
QUEUE = QUEUE_OF[KIND]
LIMIT_KEY = "narrow"
MAX_RUNNING = 2
STEP_SECONDS = 30.0

WORKED = {
    "succeeded": Worked(result={"delivered": True}),
    "failed": Worked(failure=Failure("unavailable", "the receiver answered 503")),
    "discarded": Worked(failure=Failure("gone", "the receiver answered 410", is_permanent=True)),
    "snoozed": Worked(snooze=timedelta(hours=1)),
}


@dataclass
class Running:
    """An attempt in the hands of a worker of this process; its work waits to be told what it comes to."""

    task: "asyncio.Task[AttemptOutcome | None]"
    outcome: "asyncio.Future[Worked]"
    entered: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True)
class Row:
    """A job as its row stands, and the outcomes of its attempts by number and dispatch."""

    state: str
    attempt: int
    lost: int
    dispatch_no: int
    blocked_by: str | None
    is_cancel_requested: bool
    has_deadline_passed: bool
    version: int
    tries: dict[tuple[int, int], str]


class JobWorld:
    """Two workers and all of upkeep over one database and one Valkey, both its own for as long as it lives."""

    def __init__(self, database_url: str, redis_url: str) -> None:
        self.database = Database(create_engine(database_url, pool_size=6, name="world"))
        self.redis = Redis.from_url(redis_url, socket_timeout=10)
        self.bench = Bench(self.database, self.redis)
        self.holds = Holds(self.database, self.bench.announcer)
        self.requeues = Requeue(self.database, self.bench.announcer)
        self.running: dict[tuple[UUID, int], Running] = {}
        self.workers: dict[str, tuple[JobExecution, Leases]] = {
            name: self.bench.worker(self._work, owner=name) for name in ("one", "two")
        }

    async def begin(self) -> None:
        """Start empty, with a limit that jobs may share."""
        await self.redis.flushall()
        async with self.database.transaction() as work:
            tables = ", ".join(table.name for table in metadata.sorted_tables)
            await work.run(f"truncate {tables} restart identity cascade")
            await work.run("insert into limits (limit_key, max_running) values ($1, $2)", LIMIT_KEY, MAX_RUNNING)

    async def end(self) -> None:
        """Let go of everything; attempts that still go on are stopped."""
        for running in self.running.values():
            running.task.cancel()
        await asyncio.gather(*(running.task for running in self.running.values()), return_exceptions=True)
        for execution, _ in self.workers.values():
            await execution.drain()
        await self.bench.announcer.drain()
        await self.database.close()
        await self.redis.aclose()

    async def settle(self) -> None:
        """Wait until what was announced is rung and told, and stop the clock for what was put off at random."""
        await self.bench.announcer.drain()
        await self.sql("update jobs set run_at = now() + interval '1 h' where state = 'retrying' and run_at > now()")

    async def sql(self, statement: str, *parameters: object) -> None:
        """Do what time, and nothing of ours, would do."""
        async with self.database.transaction() as work:
            await work.run(statement, *parameters)

    async def take_ring(self) -> Ring | None:
        """Take the first ring out of the queue, as a worker does."""
        popped = await self.redis.zpopmin(QUEUE)
        if not popped:
            return None
        job_id, _, dispatch_no = popped[0][0].decode().rpartition(":")
        return Ring(UUID(job_id), int(dispatch_no), QUEUE)

    async def rings(self) -> set[str]:
        """The rings that wait."""
        return {member.decode() for member in await self.redis.zrange(QUEUE, 0, -1)}

    async def answer(self, ring: Ring, worker: str) -> bool:
        """Let a worker answer a ring; True when it is at work, False when the ring was stale or its job held back."""
        key = (ring.job_id, ring.dispatch_no)
        if key in self.running:
            # A worker process drops what it answers already; the other one is refused by the database.
            return await self._is_claimed_again(ring, worker)
        execution, _ = self.workers[worker]
        task = asyncio.create_task(execution.run(ring))
        running = Running(task, asyncio.get_running_loop().create_future())
        self.running[key] = running
        entered = asyncio.create_task(running.entered.wait())
        async with asyncio.timeout(STEP_SECONDS):
            await asyncio.wait([task, entered], return_when=asyncio.FIRST_COMPLETED)
        entered.cancel()
        if running.entered.is_set():
            return True
        del self.running[key]
        assert task.result() is None
        return False

    async def finish(self, job_id: UUID, dispatch_no: int, how: str) -> str:
        """Let an attempt come to its end; how it was recorded."""
        running = self.running.pop((job_id, dispatch_no))
        if how == "released":
            running.task.cancel()
            await asyncio.wait([running.task], timeout=STEP_SECONDS)
            for execution, _ in self.workers.values():
                await execution.drain()
            return how
        running.outcome.set_result(WORKED[how])
        return await self._recorded(running)

    async def beat(self, worker: str) -> None:
        """Send the worker's heartbeat."""
        await self.workers[worker][1].beat()

    async def let_go(self, job_id: UUID, dispatch_no: int) -> str:
        """Wait for an attempt that a heartbeat has stopped."""
        return await self._recorded(self.running.pop((job_id, dispatch_no)))

    async def requeue(self, job_id: UUID) -> RequeueAnswer:
        """Run an ended job anew."""
        return await self.requeues.requeue(job_id, principal_id="tester", changes=RequeueChanges())

    async def rows(self) -> dict[UUID, Row]:
        """All jobs as they stand."""
        async with self.database.transaction() as work:
            jobs = await work.fetch(
                "select job_id, state, attempt, lost_attempts, dispatch_no, blocked_by, version,"
                " cancel_requested_at is not null as is_cancelled, coalesce(expires_at <= now(), false) as is_late"
                " from jobs"
            )
            attempts = await work.fetch("select job_id, attempt, dispatch_no, outcome from job_attempts")
        tries: dict[UUID, dict[tuple[int, int], str]] = {row.job_id: {} for row in jobs}
        for row in attempts:
            tries[row.job_id][row.attempt, row.dispatch_no] = row.outcome
        return {
            row.job_id: Row(
                state=row.state,
                attempt=row.attempt,
                lost=row.lost_attempts,
                dispatch_no=row.dispatch_no,
                blocked_by=row.blocked_by,
                is_cancel_requested=row.is_cancelled,
                has_deadline_passed=row.is_late,
                version=row.version,
                tries=tries[row.job_id],
            )
            for row in jobs
        }

    async def _is_claimed_again(self, ring: Ring, worker: str) -> bool:
        execution, _ = self.workers[worker]
        async with asyncio.timeout(STEP_SECONDS):
            return await execution.run(ring) is not None

    async def _recorded(self, running: Running) -> str:
        async with asyncio.timeout(STEP_SECONDS):
            outcome = await running.task
        assert outcome is not None
        return outcome.value

    async def _work(self, claimed: ClaimedJob, _: ReportProgress) -> Worked:
        running = self.running[claimed.job_id, claimed.dispatch_no]
        running.entered.set()
        return await running.outcome

    async def upkeep(self) -> None:
        """Every duty once, in a hurry."""
        recovery, repair = self.bench.recovery, self.bench.repair
        duties: list[Any] = [recovery.promote, recovery.expire, recovery.rescue, self.holds.release, repair.sweep]
        for duty in duties:
            await duty()
            await self.settle()
        await self.mend_rings()

    async def mend_rings(self) -> None:
        """Ring for what was never rung and for what Valkey forgot."""
        await self.bench.repair.relay(older_than=timedelta(0))
        await self.bench.repair.reconcile(older_than=timedelta(0))
