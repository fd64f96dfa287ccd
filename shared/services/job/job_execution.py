"""The walk of one job through a worker: claim, work without a transaction, record in one fenced transaction."""

import asyncio
import random
import time
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Protocol
from uuid import UUID

import structlog
from uuid_utils.compat import uuid4

from shared.clock import Clock
from shared.domain.job.attempts import ReportProgress, Worked, end_of_interruption, end_of_work
from shared.domain.job.jobs import AttemptOutcome, Failure, JobKind, JobState, Ring
from shared.domain.job.leases import ClaimedJob, JobChange, JobEnd, next_ring, told_ends
from shared.domain.job.steps import Step, StepHook, no_hook
from shared.services.fleet.vitals import VERSION
from shared.services.job.announcer import Announcer
from shared.services.job.attempt_telemetry import attempt_span, tell_attempt
from shared.services.job.leases import Lease, Leases
from shared.storage.database import Database
from shared.storage.errors import StorageUnavailableError
from shared.storage.group_commit import BufferFullError, GroupCommit
from shared.storage.job.attempt_store import AttemptStore
from shared.storage.job.completion_store import CompletionStore
from shared.storage.job.hold_store import HoldStore
from shared.storage.job.lease_store import LeaseStore
from shared.storage.sample.sample_store import SampleStore
from shared.telemetry import report_error

_log = structlog.get_logger()

WORK_TIMEOUT_SECONDS = 900.0
"""The most one attempt may take; a thousand targets of the longest timeout fit in, at the default bounds."""

RETRY_SECONDS = 1.0
PATIENCE_SECONDS = 300.0
"""How long a worker tries to claim or record while the database is away; then upkeep finds the job by its row."""

UNRECORDABLE = Failure("unrecordable", "what was found could not be written; see the worker's log")


class JobWork(Protocol):
    """The work of one kind of job; what it raises is our own error and the attempt is tried again."""

    async def __call__(self, claimed: ClaimedJob, report: ReportProgress) -> Worked:
        """Do the work once, with no transaction open, telling by `report` how far it is."""
        ...


class JobExecution:
    """Runs rung jobs for one worker process."""

    def __init__(
        self,
        database: Database,
        announcer: Announcer,
        *,
        leases: Leases,
        works: Mapping[JobKind, JobWork],
        clock: Clock,
        on_step: StepHook = no_hook,
    ) -> None:
        self._database = database
        self._announcer = announcer
        self._leases = leases
        self._works = works
        self._clock = clock
        self._on_step = on_step
        self._recordings: set[asyncio.Task[bool]] = set()
        self._claims = GroupCommit(self._flush_claims, max_pending=10_000, max_batch=500)
        self._ends = GroupCommit(self._flush_ends, max_pending=10_000, max_batch=200)

    async def run(self, ring: Ring) -> AttemptOutcome | None:
        """Answer one ring; None when it was stale, otherwise how the attempt was recorded.

        Raises:
            TimeoutError: the database stayed away; nothing was claimed, upkeep rings again.
        """
        self._on_step(Step.TAKEN)
        taken_at = time.monotonic()
        claimed = await self._claim(ring)
        if claimed is None:
            return None
        claimed = replace(claimed, claim_ms=(time.monotonic() - taken_at) * 1000)
        self._on_step(Step.CLAIMED)
        with (
            structlog.contextvars.bound_contextvars(job_id=str(claimed.job_id), attempt=claimed.attempt),
            attempt_span(claimed) as attempted,
            self._leases.held(claimed) as lease,
        ):
            end = _with_news(await self._attempt(claimed, lease), lease)
            # What was found is written down even when this task is cancelled meanwhile.
            is_recorded = await asyncio.shield(self._begin(self._record(end)))
            outcome = end.outcome if is_recorded else AttemptOutcome.FENCED
            tell_attempt(attempted, end, outcome=outcome)
            _log.info("attempt_ended", kind=claimed.kind.value, outcome=outcome.value, state=end.state.value)
            return outcome

    def _begin(self, recording: Coroutine[Any, Any, bool]) -> "asyncio.Task[bool]":
        """Begin what `drain` waits for."""
        task = asyncio.create_task(recording)
        self._recordings.add(task)
        task.add_done_callback(self._recordings.discard)
        return task

    async def drain(self) -> None:
        """Wait until everything ended so far is recorded, rung and told, for a clean stop."""
        if self._recordings:
            await asyncio.wait(self._recordings)
        await self._ends.drain()
        await self._announcer.drain()

    async def _claim(self, ring: Ring) -> ClaimedJob | None:
        """Claim the job, waiting while the database is away: the ring keeps its slot, and the queue is not emptied."""
        # The token stays the same over all tries: a claim whose commit was not heard of is found by it.
        token = uuid4()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                try:
                    claiming = self._claims.add((ring, token))
                    return await asyncio.shield(claiming)
                except (StorageUnavailableError, BufferFullError) as error:
                    _log.warning("ring_not_claimed_yet", job_id=str(ring.job_id), error=repr(error))
                except asyncio.CancelledError:
                    self._begin(self._hand_back(claiming))
                    raise
                await _pause()

    async def _hand_back(self, claiming: "asyncio.Future[ClaimedJob | None]") -> bool:
        """Give back what a claim may yet get that nobody waits for any more, instead of letting its lease run out."""
        with suppress(StorageUnavailableError):
            if claimed := await claiming:
                return await self._record(end_of_interruption(claimed, is_cancel_requested=False, now=self._clock()))
        return False

    async def _attempt(self, claimed: ClaimedJob, lease: Lease) -> JobEnd:
        task = asyncio.create_task(self._work(claimed, lease))
        lease.guard(task)
        try:
            worked = await task
        except asyncio.CancelledError:
            return end_of_interruption(claimed, is_cancel_requested=lease.is_cancel_requested, now=self._clock())
        self._on_step(Step.WORKED)
        return self._end_of(claimed, worked)

    async def _work(self, claimed: ClaimedJob, lease: Lease) -> Worked:
        try:
            async with asyncio.timeout(WORK_TIMEOUT_SECONDS):
                return await self._works[claimed.kind](claimed, lease.report)
        except TimeoutError:
            return Worked(failure=Failure("timeout", f"the work took longer than {WORK_TIMEOUT_SECONDS:.0f} s"))
        except Exception as error:  # noqa: BLE001 - whatever our own code raises is our error, and the attempt is tried again
            _log.exception("work_raised")
            report_error(
                error, where="work", job_id=str(claimed.job_id), kind=claimed.kind.value, attempt=claimed.attempt
            )
            return Worked(
                failure=Failure("internal", f"Tocsin failed at this job ({type(error).__name__}); see its log")
            )

    def _end_of(self, claimed: ClaimedJob, worked: Worked) -> JobEnd:
        draw = random.random()  # noqa: S311 - jitter, no secret
        return end_of_work(claimed, worked, now=self._clock(), draw=draw)

    async def _record(self, end: JobEnd) -> bool:
        """Write the end down, trying for as long as the database is away; False when the lease had been lost."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                try:
                    return await self._ends.submit(end)
                except (StorageUnavailableError, BufferFullError) as error:
                    _log.warning("end_not_recorded_yet", error=repr(error))
                except Exception:  # noqa: BLE001 - an end that cannot be written as it is ends as a failure
                    _log.exception("end_not_recordable")
                    end = self._end_of(end.claimed, Worked(failure=UNRECORDABLE))
                await _pause()

    async def _flush_claims(self, claims: Sequence[tuple[Ring, UUID]]) -> list[ClaimedJob | None]:
        async with self._database.one_statement() as work:
            claimed, changes = await LeaseStore(work).claim_queued(
                claims, owner=self._leases.owner, lease=self._leases.duration
            )
        left = [(ring, token) for ring, token in claims if ring.job_id not in claimed]
        if left:
            # Should this fail, all of them are tried again, and what is claimed already is found by its token.
            admitted, settled = await self._settle(left)
            claimed, changes = claimed | admitted, changes + settled
        self._announcer.announce(changes)
        # The token tells a job rung twice in one batch apart: only one of the two rings has it.
        jobs = [(claimed.get(ring.job_id), token) for ring, token in claims]
        return [job if job and job.lease_token == token else None for job, token in jobs]

    async def _settle(self, left: Sequence[tuple[Ring, UUID]]) -> tuple[dict[UUID, ClaimedJob], list[JobChange]]:
        async with self._database.writing() as work:
            return await HoldStore(work).settle(left, owner=self._leases.owner, lease=self._leases.duration)

    async def _flush_ends(self, ends: Sequence[JobEnd]) -> list[bool]:
        async with self._database.writing() as work:
            accepted = await LeaseStore(work).end_if_leased(ends)
            await AttemptStore(work).add(ends, owner=self._leases.owner, accepted=accepted, version=VERSION)
            kept = [end for end in ends if end.claimed.job_id in accepted]
            await SampleStore(work).record([sample for end in kept for sample in end.samples])
            completions = await CompletionStore(work).add_for(told_ends(kept, accepted))
            keys = {end.claimed.limit_key for end in kept if end.claimed.limit_key is not None}
            released = await HoldStore(work).release_for(sorted(keys))
        self._on_step(Step.RECORDED)
        queued_again = [end.claimed for end in kept if accepted[end.claimed.job_id].state is JobState.QUEUED]
        rings = [next_ring(claimed) for claimed in queued_again] + completions + released.rings
        self._announcer.announce([*accepted.values(), *released.changes], rings)
        return [end.claimed.job_id in accepted for end in ends]


def _with_news(end: JobEnd, lease: Lease) -> JobEnd:
    """The end with the latest progress, so that an ended job does not show how far it was at a heartbeat."""
    is_told = end.progress is not None or lease.last_news is None
    return end if is_told else replace(end, progress=lease.last_news)


async def _pause() -> None:
    await asyncio.sleep(RETRY_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311 - spreads workers
