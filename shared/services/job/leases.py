"""The leases one worker process holds: one batched heartbeat extends them all, and brings back what it must do."""

import asyncio
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog

from shared.domain.fleet.workers import WorkerOrder, beat_interval_seconds, is_fenced
from shared.domain.job.leases import ClaimedJob, LeaseAnswer, LeaseBeat
from shared.services.fleet.vitals import Vitals
from shared.services.job.announcer import Announcer
from shared.storage.database import Database
from shared.storage.errors import StorageUnavailableError
from shared.storage.fleet.worker_store import WorkerStore
from shared.storage.job.lease_store import LeaseStore

_log = structlog.get_logger()

RETRY_SECONDS = 1.0
"""How soon after a heartbeat that failed the next one is tried; the lease runs on meanwhile."""


class Lease:
    """One lease in this process's hands, and the task that works under it. Times are of the monotonic clock."""

    def __init__(self, claimed: ClaimedJob, *, held_from: float) -> None:
        self.job_id = claimed.job_id
        self.token = claimed.lease_token
        self.confirmed_at = held_from
        self.is_lost = False
        self.is_cancel_requested = False
        self._told_progress = claimed.progress
        self._progress = claimed.progress
        self._task: asyncio.Task[Any] | None = None

    def guard(self, task: "asyncio.Task[Any]") -> None:
        """Make `task` the one that ends when the lease is lost or its job's cancel is asked for."""
        self._task = task
        if self.is_lost or self.is_cancel_requested:
            task.cancel()

    def report(self, progress: Mapping[str, Any]) -> None:
        """How far the job is; written with the next heartbeat."""
        self._progress = dict(progress)

    @property
    def last_news(self) -> Mapping[str, Any] | None:
        """How far the job came, where its row tells an older state; most work is over before its row tells any."""
        is_old = self._told_progress is not None and self._progress != self._told_progress
        return self._progress if is_old else None

    def beat(self) -> LeaseBeat:
        """What the heartbeat says of this lease; progress only when there is news of it."""
        is_news = self._progress != self._told_progress
        return LeaseBeat(self.job_id, self.token, self._progress if is_news else None)

    def confirm(self, beat: LeaseBeat, answer: LeaseAnswer, *, sent_at: float) -> None:
        """The heartbeat was answered: the lease stands from when it was sent, and its job may have to stop."""
        self.confirmed_at = sent_at
        if beat.progress is not None:
            self._told_progress = beat.progress
        if answer.is_cancel_requested and not self.is_cancel_requested:
            self.is_cancel_requested = True
            self._stop()

    def lose(self) -> None:
        """The lease is somebody else's, or about to be: stop."""
        self.is_lost = True
        self._stop()

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()


class Leases:
    """All leases of a worker process. `duration` is the length of a lease."""

    def __init__(self, database: Database, announcer: Announcer, *, vitals: Vitals, duration: timedelta) -> None:
        self._database = database
        self._announcer = announcer
        self.vitals = vitals
        self.duration = duration
        self._held: dict[UUID, Lease] = {}
        self._nudged = asyncio.Event()

    @property
    def owner(self) -> str:
        """The worker's id, which the rows name as the leases' owner."""
        return self.vitals.worker_id

    def __len__(self) -> int:
        return len(self._held)

    @contextmanager
    def held(self, claimed: ClaimedJob) -> Iterator[Lease]:
        """Keep the job's lease alive while the block runs."""
        lease = Lease(claimed, held_from=time.monotonic())
        self._held[lease.token] = lease
        try:
            yield lease
        finally:
            del self._held[lease.token]

    async def run(self, obey: Callable[[WorkerOrder | None], None] = lambda _: None) -> None:
        """Beat until cancelled; `obey` is told with each answer what is ordered of this worker."""
        interval = beat_interval_seconds(self.duration.total_seconds())
        was_late = False
        while True:
            self._nudged.clear()
            began_at = time.monotonic()
            try:
                obey(await self._beat_within(interval))
                if was_late:
                    # The server answers, and did not over the connection before: that one had fallen silent.
                    self._database.renew_connections()
                rest, was_late = interval, False
            except Exception as error:  # noqa: BLE001 - whatever it is, without beats the leases are given up in time
                was_late = isinstance(error, TimeoutError)
                _log.warning("heartbeat_failed", error=repr(error), leases=len(self._held))
                rest = min(interval, RETRY_SECONDS * random.uniform(0.5, 1.0))  # noqa: S311 - spreads workers
            self.fence_silent()
            await self._rest(until=began_at + rest)

    async def _beat_within(self, seconds: float) -> WorkerOrder | None:
        """Beat; one that is late has its connection broken off, since a cancelled one would first say goodbye on it."""
        breaking = asyncio.get_running_loop().call_later(seconds, self._database.break_pulse)
        try:
            async with asyncio.timeout(2 * seconds):
                return await self.beat()
        except StorageUnavailableError as error:
            if breaking.when() <= asyncio.get_running_loop().time():
                raise TimeoutError("the heartbeat was not answered in time") from error
            raise
        finally:
            breaking.cancel()

    def beat_soon(self) -> None:
        """Let the next heartbeat not wait for its time."""
        self._nudged.set()

    def hear(self, ids: frozenset[str]) -> None:
        """Something was ordered of these jobs or workers: beat at once if it concerns this one."""
        if self.owner in ids or any(str(lease.job_id) in ids for lease in self._held.values()):
            self.beat_soon()

    async def beat(self) -> WorkerOrder | None:
        """Report this worker and extend its leases in one transaction; stop what is lost or to be cancelled.

        Raises:
            StorageUnavailableError: the database is away; the leases run on.
        """
        beaten = [(lease, lease.beat()) for lease in self._held.values() if not lease.is_lost]
        sent_at = time.monotonic()
        lag_seconds = self.vitals.take_lag()
        try:
            order, answers = await self._exchange([beat for _, beat in beaten], lag_seconds=lag_seconds)
        except BaseException:
            self.vitals.note_lag(lag_seconds)
            raise
        self._announcer.announce([answer.change for answer in answers.values() if answer.change])
        for lease, beat in beaten:
            if answer := answers.get(lease.token):
                lease.confirm(beat, answer, sent_at=sent_at)
            else:
                # It may also be gone because its job just ended here; then nothing listens any more.
                lease.lose()
        return order

    def fence_silent(self) -> None:
        """Stop the jobs whose lease was not confirmed for so long that somebody else may soon take them."""
        now = time.monotonic()
        for lease in self._held.values():
            is_over = is_fenced(now - lease.confirmed_at, lease_seconds=self.duration.total_seconds())
            if is_over and not lease.is_lost:
                _log.warning("lease_given_up", job_id=str(lease.job_id), silent_seconds=now - lease.confirmed_at)
                lease.lose()

    async def _exchange(
        self, beats: Sequence[LeaseBeat], *, lag_seconds: float
    ) -> tuple[WorkerOrder | None, Mapping[UUID, LeaseAnswer]]:
        report = self.vitals.report(
            busy=len(self._held), lag_seconds=lag_seconds, lease_seconds=self.duration.total_seconds()
        )
        async with self._database.transaction(is_pulse=True) as work:
            answers = await LeaseStore(work).extend(beats, lease=self.duration) if beats else {}
            return await WorkerStore(work).report(report), answers

    async def _rest(self, *, until: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, until - time.monotonic())):
                await self._nudged.wait()
