"""Claims, ends, beats, holds, cancels and all upkeep at once, on few jobs: none ever waits in a circle."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

import asyncpg
from job_bench import Bench, new_job
from redis.asyncio import Redis

from shared.clock import utc_now
from shared.domain.job.attempts import ReportProgress, Worked
from shared.domain.job.jobs import Failure, JobKind, Ring
from shared.domain.job.leases import ClaimedJob
from shared.services.job.holds import Holds
from shared.services.job.retention import Retention
from shared.storage.database import Database, create_engine
from shared.storage.fleet.queue_store import QueueStore
from shared.storage.job.job_store import JobStore

NOW = timedelta(0)
QUEUE = "tocsin:notify"
JOBS = 50
SECONDS = 2.5


class Storm:
    """Everything at once, from two workers' hands, until it is told to end."""

    def __init__(self, database: Database, redis: Redis) -> None:
        self.bench = Bench(database, redis)
        self.holds = Holds(database, self.bench.announcer)
        self.retention = Retention(database, job_days=1)
        self.job_ids: list[UUID] = []
        self.done: Counter[str] = Counter()

    async def plant(self) -> None:
        """Jobs without a key and of two limited keys, whose work never ends them."""
        async with self.bench.database.transaction() as work:
            await work.run("insert into limits (limit_key, max_running) values ('a', 3), ('b', 5)")
        for number in range(JOBS):
            job = await self.bench.submitted(limit_key=("a", "b", None, None)[number % 4], max_attempts=30_000)
            self.job_ids.append(job.job_id)

    async def until(self, seconds: float) -> None:
        """Blow for so long; what fails is raised."""
        ends_at = asyncio.get_running_loop().time() + seconds
        flows: dict[str, Callable[[], Awaitable[object]]] = {
            "relay": lambda: self.bench.repair.relay(older_than=NOW),
            "reconcile": lambda: self.bench.repair.reconcile(older_than=NOW),
            "sweep": self.bench.repair.sweep,
            "promote": self.bench.recovery.promote,
            "rescue": self.bench.recovery.rescue,
            "expire": self.bench.recovery.expire,
            "release": self.holds.release,
            "forget_jobs": self.retention.forget_jobs,
            "lose_leases": self.lose_leases,
            "bear_children": self.bear_children,
            "pause": self.pause,
        }
        blowing = [self._blow(name, flow, ends_at) for name, flow in flows.items()]
        await asyncio.gather(*blowing, self.work("one", ends_at), self.work("two", ends_at))

    async def _blow(self, name: str, flow: Callable[[], Awaitable[object]], ends_at: float) -> None:
        while asyncio.get_running_loop().time() < ends_at:
            async with asyncio.timeout(30):
                await flow()
            self.done[name] += 1
            await asyncio.sleep(random.uniform(0, 0.02))

    async def work(self, owner: str, ends_at: float) -> None:
        """Answer rings that another worker answers too, and beat meanwhile."""
        execution, leases = self.bench.worker(self._work, owner=owner)

        async def answer() -> None:
            members = await self.bench.redis.zrandmember(QUEUE, 20)
            random.shuffle(members)
            rings = [
                Ring(UUID(job_id), int(number), QUEUE) for job_id, number in (m.decode().split(":") for m in members)
            ]
            outcomes = await asyncio.gather(*(execution.run(ring) for ring in rings))
            self.done.update(outcome.value for outcome in outcomes if outcome)
            self.done.update("stale" for outcome in outcomes if not outcome)

        await asyncio.gather(self._blow("answer", answer, ends_at), self._blow("beat", leases.beat, ends_at))
        await execution.drain()

    async def _work(self, claimed: ClaimedJob, report: ReportProgress) -> Worked:
        report({"done": claimed.attempt})
        await asyncio.sleep(random.uniform(0, 0.02))
        if random.random() < 0.5:
            return Worked(snooze=NOW)
        return Worked(failure=Failure("again", "try again", retry_after=NOW))

    async def lose_leases(self) -> None:
        """Let some leases run out, as if their worker hung."""
        async with self.bench.database.transaction() as work:
            await work.run(
                "update jobs set lease_expires_at = now() - interval '1 s', lost_attempts = 0 where job_id in ("
                "select job_id from jobs where state = 'running' order by random() limit 3 for update skip locked)"
            )

    async def bear_children(self) -> None:
        """Insert children of many jobs in one transaction, cancel some, and let the ended ones be old."""
        parents = random.sample(self.job_ids, 10)
        children = [new_job(parent_id=parent, run_at=utc_now() + timedelta(hours=1)) for parent in parents]
        async with self.bench.database.transaction() as work:
            await JobStore(work).insert(children, now=utc_now())
        await asyncio.gather(*(self.bench.control.cancel(child.job_id) for child in children[:5]))
        async with self.bench.database.transaction() as work:
            ended = [child.job_id for child in children[:5]]
            await work.run(
                "update jobs set finished_at = now() - interval '2 days' where job_id = any($1::uuid[])", ended
            )

    async def pause(self) -> None:
        """Pause the queue and let it go on."""
        for is_paused in (True, False):
            async with self.bench.database.transaction() as work:
                await QueueStore(work).set_flow(
                    JobKind.NOTIFY, is_paused=is_paused, is_draining=False, by="storm", reason=None
                )
            await asyncio.sleep(0.1)


async def deadlocks_of(url: str) -> int:
    """How many deadlocks the database has counted; asked once all others have left, as they report when they go."""
    connection = await asyncpg.connect(url, timeout=10)
    try:
        async with asyncio.timeout(20):
            while await connection.fetchval(
                "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
            ):
                pass
        count: int = await connection.fetchval(
            "select deadlocks from pg_stat_database where datname = current_database()"
        )
        return count
    finally:
        await connection.close()


async def test_nothing_deadlocks(fresh_database_url: str, redis: Redis) -> None:
    """PostgreSQL counts no deadlock, nothing raises, and every flow has really run."""
    database = Database(create_engine(fresh_database_url, pool_size=20, name="storm"))
    storm = Storm(database, redis)
    try:
        await storm.plant()
        await storm.until(SECONDS)
        await storm.bench.announcer.drain()
    finally:
        await database.close()
    assert await deadlocks_of(fresh_database_url) == 0
    assert {"snoozed", "failed", "stale", "fenced", "pause", "rescue", "forget_jobs"} <= set(storm.done)
