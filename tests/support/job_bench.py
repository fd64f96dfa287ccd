"""The flows of jobs over a real database and Valkey, with work that tests decide."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from redis.asyncio import Redis
from uuid_utils.compat import uuid7

from shared.clock import utc_now
from shared.domain.job.attempts import ReportProgress, Worked
from shared.domain.job.dispatch import RepairReason
from shared.domain.job.jobs import Job, JobKind, NewJob, Ring
from shared.domain.job.leases import ClaimedJob
from shared.events import JobEvents, Orders
from shared.live_events import LiveEvents
from shared.services.fleet.vitals import Vitals
from shared.services.job.announcer import Announcer
from shared.services.job.job_control import JobControl
from shared.services.job.job_execution import JobExecution
from shared.services.job.job_recovery import JobRecovery
from shared.services.job.job_submission import Accepted, JobSubmission, Submission
from shared.services.job.leases import Leases
from shared.services.job.retention import Retention
from shared.services.job.ring_repair import RingRepair
from shared.storage.database import Database
from shared.storage.job.attempt_store import AttemptStore
from shared.storage.job.job_store import JobStore
from shared.task_queue import Doorbell, TaskQueue

Work = Callable[[ClaimedJob, ReportProgress], Awaitable[Worked]]


def new_job(**changes: object) -> NewJob:
    """A notify job that is due now."""
    values = {
        "job_id": uuid7(),
        "kind": JobKind.NOTIFY,
        "spec": '{"message": {"title": "hello"}}',
        "run_at": utc_now(),
        "max_attempts": 3,
        "principal_id": "tester",
    }
    return NewJob(**(values | changes))  # type: ignore[arg-type]


@dataclass
class Bench:
    """One database, one Valkey, and the services over them."""

    database: Database
    redis: Redis
    lease: timedelta = timedelta(seconds=30)
    doorbell: Doorbell = field(init=False)
    events: JobEvents = field(init=False)
    repaired: Counter[RepairReason] = field(init=False, default_factory=Counter)

    def __post_init__(self) -> None:
        self.task_queue = TaskQueue(self.redis)
        self.doorbell = Doorbell(self.task_queue)
        self.events = JobEvents(self.redis)
        self.submission = JobSubmission(self.database, self.doorbell, clock=utc_now, max_pending=1000)
        self.announcer = Announcer(self.doorbell, self.events, LiveEvents(self.redis))
        self.control = JobControl(self.database, self.announcer, Orders(self.redis))
        self.recovery = JobRecovery(self.database, self.announcer, clock=utc_now)
        self.repair = RingRepair(self.database, self.redis, self.task_queue, count_repairs=self._count_repairs)
        self.retention = Retention(self.database, job_days=30)

    def _count_repairs(self, reason: RepairReason, rings: int) -> None:
        self.repaired[reason] += rings

    def worker(self, work: Work, *, owner: str = "worker-1") -> tuple[JobExecution, Leases]:
        """A worker's services, whose jobs of both kinds do `work`."""
        leases = Leases(self.database, self.announcer, vitals=Vitals(owner), duration=self.lease)
        works: Mapping[JobKind, Work] = dict.fromkeys(JobKind, work)
        execution = JobExecution(self.database, self.announcer, leases=leases, works=works, clock=utc_now)
        return execution, leases

    async def submitted(self, **changes: object) -> Job:
        """A job as submitted."""
        result = await self.submission.submit(Submission(new_job(**changes)))
        assert isinstance(result, Accepted)
        return result.job

    async def job(self, job_id: UUID) -> Job:
        """The job as its row stands."""
        async with self.database.transaction() as work:
            return (await JobStore(work).find_jobs([job_id]))[job_id]

    async def outcomes(self, job_id: UUID) -> list[str]:
        """How the job's attempts ended."""
        async with self.database.transaction() as work:
            return [attempt.outcome.value for attempt in await AttemptStore(work).list_of(job_id)]

    async def expire_leases(self) -> None:
        """Let all leases run out now."""
        async with self.database.transaction() as work:
            await work.run("update jobs set lease_expires_at = now() - interval '1 s' where state = 'running'")

    async def make_due(self) -> None:
        """Let what waits for its time be due now."""
        async with self.database.transaction() as work:
            await work.run("update jobs set run_at = now() where state in ('scheduled', 'retrying')")

    async def rung(self, queue: str = "tocsin:notify") -> set[str]:
        """The rings that wait in Valkey."""
        await self.doorbell.drain()
        return {member.decode() for member in await self.redis.zrange(queue, 0, -1)}


def ring_of(job: Job, dispatch_no: int = 1) -> Ring:
    """The ring for a job's dispatch."""
    return Ring(job.job_id, dispatch_no, job.queue)
