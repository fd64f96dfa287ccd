"""Monitors with schedules, and rounds that look at them, over a real database."""

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from job_bench import Bench, new_job, ring_of
from quiet_alerting import quiet_alerting

from shared.clock import Clock, utc_now
from shared.collectors.base import Collectors
from shared.domain.job.jobs import AttemptOutcome, Job, JobKind
from shared.domain.live import LiveEvent
from shared.domain.monitor.rounds import encode_round
from shared.domain.monitor.schedules import Schedule, phase_of
from shared.domain.monitor.slots import Visit
from shared.services.alert.alerting import Alerting
from shared.services.job.job_execution import JobExecution
from shared.services.job.job_submission import Accepted, Submission
from shared.services.job.leases import Leases
from shared.services.monitor.recorder import Recorder
from shared.services.monitor.round_targets import RoundTargets
from shared.services.monitor.round_work import RoundWork
from shared.services.target.collection import Collection
from shared.storage.database import Database
from shared.vault import Vault

SECOND = timedelta(seconds=1)


async def add_monitor(
    database: Database,
    target: Mapping[str, Any],
    *,
    interval: timedelta = timedelta(minutes=1),
    confirmations: int = 0,
    confirm_interval: timedelta = timedelta(seconds=5),
    sealed_by: Vault | None = None,
    since: datetime | None = None,
    monitor_id: UUID | None = None,
) -> UUID:
    """A monitor that waits for its first look, due at its next slot."""
    monitor_id = monitor_id or uuid4()
    now = since or utc_now()
    text = json.dumps(target)
    next_slot = Schedule(interval=interval, phase=phase_of(monitor_id, interval)).next_after(now)
    async with database.transaction() as work:
        rows = await work.fetch(
            "insert into series (identity, kind, name, labels, monitor_id) values ($1, $2, 'm', '{}', $3)"
            " returning series_id",
            hashlib.sha256(b"monitor:" + monitor_id.bytes).digest(),
            target["kind"],
            monitor_id,
        )
        await work.run(
            """
            insert into monitors (monitor_id, group_name, name, kind, target, is_sealed, shown, interval_ms,
                                  confirmations, confirm_ms, series_id, created_by, created_at)
            values ($1, 'tests', $2, $3, $4, $5, '{}', $6, $7, $8, $9, 'tests', $10)
            """,
            monitor_id,
            str(monitor_id),
            target["kind"],
            sealed_by.seal(text) if sealed_by else text,
            sealed_by is not None,
            interval // timedelta(milliseconds=1),
            confirmations,
            confirm_interval // timedelta(milliseconds=1),
            rows[0].series_id,
            now,
        )
        await work.run("insert into monitor_states (monitor_id, since, state) values ($1, $2, 4)", monitor_id, now)
        await work.run("insert into state_spans (monitor_id, started_at, state) values ($1, $2, 4)", monitor_id, now)
        await work.run(
            "insert into schedules (monitor_id, due_at, next_slot) values ($1, $2, $2)", monitor_id, next_slot
        )
    return monitor_id


@dataclass
class RoundSite:
    """Workers of a bench that take looks with collectors of the test's own; `told` is what was published."""

    bench: Bench
    collectors: Collectors
    vault: Vault = field(default_factory=Vault)
    alerting: Alerting = field(default_factory=quiet_alerting)
    clock: Clock = utc_now
    told: list[LiveEvent] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, events: Sequence[LiveEvent]) -> None:
        """Take what is told live."""
        self.told.extend(events)
        self.news.set()

    async def until_told(self, monitor_id: UUID) -> None:
        """Wait until something of a monitor is told."""
        async with asyncio.timeout(60):
            while not any(getattr(each, "monitor_id", None) == monitor_id for each in self.told):
                self.news.clear()
                await self.news.wait()

    def work(self, database: Database | None = None) -> RoundWork:
        """The work of rounds, as one process has it."""
        on = database or self.bench.database
        collection = Collection(self.collectors, clock=self.clock, target_slots=100, host_slots=10)
        recorder = Recorder(on, self.hear, self.alerting)
        return RoundWork(on, collection, targets=RoundTargets(on, self.vault), recorder=recorder)

    def worker(self, owner: str = "worker-1") -> tuple[JobExecution, Leases]:
        """A worker of its own."""
        return self.bench.worker(self.work(), owner=owner)

    async def submitted(self, visits: Sequence[Visit]) -> Job:
        """A round of these looks, as the schedule makes it."""
        job = new_job(kind=JobKind.ROUND, spec=encode_round(visits), principal_id="schedule")
        accepted = await self.bench.submission.submit(Submission(job))
        assert isinstance(accepted, Accepted)
        return accepted.job

    async def run(self, visits: Sequence[Visit]) -> Mapping[str, Any]:
        """Run a round to its end; its result."""
        job = await self.submitted(visits)
        execution, _ = self.worker()
        assert await execution.run(ring_of(job)) is AttemptOutcome.SUCCEEDED
        result = (await self.bench.job(job.job_id)).result
        assert result is not None
        return result

    async def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """What a query answers."""
        async with self.bench.database.transaction() as work:
            return [tuple(row) for row in await work.fetch(query, *parameters)]

    async def sampled(self) -> Counter[tuple[UUID, datetime]]:
        """The slots that have samples, and how many each has."""
        rows = await self.rows("select m.monitor_id, p.ts from sample p join monitors m using (series_id)")
        return Counter((row[0], row[1]) for row in rows)

    async def gaps(self) -> list[tuple[UUID, datetime, str]]:
        """The slots that were missed, one a row, and why."""
        rows = await self.rows("select monitor_id, first_slot, reason from slot_gaps where slots = 1")
        return [(row[0], row[1], row[2]) for row in rows]

    async def state(self, monitor_id: UUID) -> str:
        """The monitor's state."""
        rows = await self.rows("select state from monitor_states where monitor_id = $1", monitor_id)
        names = ("up", "degraded", "down", "no_data", "pending", "paused", "maintenance")
        return names[rows[0][0]]


def slot_now(seconds: float = 0.0) -> datetime:
    """A whole millisecond, `seconds` from now."""
    moment = utc_now() + timedelta(seconds=seconds)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
