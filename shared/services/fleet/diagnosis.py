"""The doctor's round: each part is looked at by itself, so that one that is away hides no other."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, cast
from uuid import uuid4

from redis.asyncio import Redis
from redis.exceptions import NoPermissionError, ResponseError

from shared.broker import REDIS_AWAY
from shared.clock import Clock
from shared.domain.fleet.diagnosis import Finding, Level
from shared.domain.fleet.job_diagnosis import judge_fleet, judge_jobs
from shared.domain.fleet.server_diagnosis import judge_connections, judge_database, judge_redis, judge_vacuum
from shared.domain.fleet.workers import Liveness, Worker
from shared.domain.job.jobs import Ring
from shared.storage.database import Database
from shared.storage.errors import StorageUnavailableError
from shared.storage.fleet.diagnosis_store import DiagnosisStore
from shared.storage.fleet.worker_store import WorkerStore
from shared.storage.schema import HEAD
from shared.task_queue import TaskQueue, wake_key

PATIENCE_SECONDS = 15.0
"""How long one part may take."""
MAX_WORKERS = 1000
PROBE_QUEUE = "tocsin:drill:probe"


class Diagnosis:
    """Looks at the servers, the workers and the jobs, and changes nothing but a key of its own in Redis.

    `pool_size` is how many connections each process may open, `version` the one this program has.
    """

    def __init__(self, database: Database, redis: Redis, *, clock: Clock, pool_size: int, version: str) -> None:
        self._database = database
        self._redis = redis
        self._clock = clock
        self._pool_size = pool_size
        self._version = version

    async def run(self) -> list[Finding]:
        """All findings, in the order in which they are shown; nothing is raised for what is away."""
        database = await self._look("postgresql", self._look_at_database, advice="check TOCSIN_DATABASE_URL")
        redis = await self._look("redis", self._look_at_redis, advice="check TOCSIN_REDIS_URL")
        if any(finding.level is Level.FAIL for finding in database if finding.name in {"postgresql", "schema"}):
            return [*database, *redis]
        jobs = await self._look("jobs", self._look_at_jobs, advice="look at the database's log")
        return [*database, *redis, *jobs]

    async def alive_workers(self) -> list[Worker]:
        """The workers whose heartbeat is fresh."""
        return [worker for worker in await self._workers() if worker.liveness is Liveness.ALIVE]

    async def _look(
        self, name: str, part: Callable[[], Awaitable[Sequence[Finding]]], *, advice: str
    ) -> Sequence[Finding]:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await part()
        except (StorageUnavailableError, *REDIS_AWAY) as error:
            reason = str(error.__cause__ or error) or type(error).__name__
            return [Finding(name, Level.FAIL, f"does not answer: {reason}", advice)]

    async def _look_at_database(self) -> list[Finding]:
        async with self._database.transaction() as work:
            store = DiagnosisStore(work)
            # The first statement pays for connecting; the clocks are compared over the second.
            await store.database_now()
            before = self._clock()
            database_now = await store.database_now()
            middle = before + (self._clock() - before) / 2
            facts = await store.read_database(skew_seconds=(database_now - middle).total_seconds())
        findings = list(judge_database(facts, needed_revision=HEAD))
        workers = [] if any(finding.level is Level.FAIL for finding in findings) else await self.alive_workers()
        connections = judge_connections(facts, workers=len(workers), pool_size=self._pool_size)
        return [*findings, connections, judge_vacuum(facts)]

    async def _look_at_redis(self) -> list[Finding]:
        info: Mapping[str, Any] | None
        try:
            info = await self._redis.info()
        except NoPermissionError:
            info = None
        return [*judge_redis(info), await self._try_commands()]

    async def _try_commands(self) -> Finding:
        """Ring and take the ring back on a queue of nobody's, and say something on a channel of nobody's."""
        queue, task_queue = f"{PROBE_QUEUE}:{uuid4().hex}", TaskQueue(self._redis)
        ring = Ring(uuid4(), 1, queue)
        try:
            await task_queue.ring([ring])
            await task_queue.missing([ring])
            await task_queue.scan(queue, 0, count=1)
            await self._redis.publish(PROBE_QUEUE, "")
            await cast("Awaitable[Any]", self._redis.blpop([wake_key(queue)], timeout=1))
            await self._redis.zpopmin(queue)
            await task_queue.drop(queue, [ring.ring_id])
        except ResponseError as error:
            advice = "allow the user ~tocsin:* ~arq:* &tocsin:* +@all -@dangerous +info; OOM: raise maxmemory"
            return Finding("commands", Level.FAIL, f"refused: {error}", advice)
        return Finding("commands", Level.OK, "ringing, waking and telling work")

    async def _look_at_jobs(self) -> list[Finding]:
        workers = await self._workers()
        async with self._database.transaction() as work:
            jobs = await DiagnosisStore(work).read_jobs()
        return [*judge_fleet(workers, own_version=self._version), *judge_jobs(jobs)]

    async def _workers(self) -> list[Worker]:
        async with self._database.transaction() as work:
            return await WorkerStore(work).list_workers(after=None, limit=MAX_WORKERS)
