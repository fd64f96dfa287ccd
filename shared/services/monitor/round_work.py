"""The work of a round: each look begins at its slot, and what it finds is recorded at once."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import structlog

from shared.domain.job.attempts import ReportProgress, Worked
from shared.domain.job.jobs import Failure
from shared.domain.job.leases import ClaimedJob
from shared.domain.monitor.looks import MissedLook, Round, TakenLook, WatchedMonitor
from shared.domain.monitor.pacing import DatabaseClock
from shared.domain.monitor.rounds import decode_round
from shared.domain.monitor.slots import Gap, GapReason, Visit
from shared.domain.target.observation import Fault
from shared.domain.target.outcome import Outcome, Reading
from shared.services.monitor.recorder import Recorder
from shared.services.monitor.round_targets import RoundTarget, RoundTargets
from shared.services.target.collection import Collection
from shared.storage.database import Database
from shared.storage.errors import StorageUnavailableError
from shared.storage.monitor.round_store import RoundStore

_log = structlog.get_logger()

RETRY_SECONDS = 1.0
MOST_AHEAD_SECONDS = 5.0
"""The longest a round waits for a slot; the schedule hands slots out a second ahead."""
LEAST_PATIENCE = timedelta(seconds=10)
"""A look that is later than this and than its interval is not taken: its moment is over, and the next slot's is there.

The intervals of a few seconds would otherwise never be looked at while a worker is behind.
"""


class TooLateError(Exception):
    """The moment a look was meant for is over."""


@dataclass
class _Run:
    """One attempt at a round: what it is fenced by, and what it has come to."""

    claimed: ClaimedJob
    counted: Counter[Outcome] = field(default_factory=Counter)
    missed: int = 0
    readings: list[dict[str, Any]] = field(default_factory=list)

    @property
    def round(self) -> Round:
        return Round(self.claimed.job_id, self.claimed.lease_token)

    @property
    def done(self) -> int:
        return self.counted.total() + self.missed

    def result(self) -> dict[str, Any]:
        counts: dict[str, Any] = {outcome.value: self.counted[outcome] for outcome in Outcome}
        counts["missed"] = self.missed
        return counts | {"readings": self.readings} if self.readings else counts


class RoundWork:
    """Takes the looks of a round; it succeeds when they were taken, whatever was found.

    `behind` is how many looks, of all its rounds, have come to their moment and are not written down yet.
    """

    def __init__(
        self, database: Database, collection: Collection, *, targets: RoundTargets, recorder: Recorder
    ) -> None:
        self._database = database
        self._collection = collection
        self._targets = targets
        self._recorder = recorder
        self.behind = 0
        # Told with each claim: no wall clock is asked.
        self._clock = DatabaseClock()

    async def __call__(self, claimed: ClaimedJob, report: ReportProgress) -> Worked:
        """Take all looks that were not taken yet; a spec that this version cannot read is a permanent failure."""
        run = _Run(claimed)
        self._clock.hear(claimed.started_at, at=time.monotonic())
        try:
            visits = [self._due_by_now(visit) for visit in decode_round(claimed.spec)]
        except msgspec.DecodeError:
            return Worked(failure=Failure("unreadable_spec", "this worker cannot read the round", True))
        targets = await self._find_targets(visits)
        left = [visit for visit in visits if visit.monitor_id in targets]
        if claimed.attempt > 1:
            left = await self._without_written(left, targets)
        async with asyncio.TaskGroup() as group:
            for visit in sorted(left, key=lambda each: each.slot):
                await self._reach(visit.slot)
                self.behind += 1
                looking = group.create_task(self._visit(run, visit, targets[visit.monitor_id]))
                looking.add_done_callback(lambda _: self._note_done(run, report, total=len(left)))
        return Worked(result=run.result())

    def _note_done(self, run: _Run, report: ReportProgress, *, total: int) -> None:
        self.behind -= 1
        report({"done": run.done, "total": total})

    def _now(self) -> datetime:
        return self._clock.time(at=time.monotonic())

    def _due_by_now(self, visit: Visit) -> Visit:
        """A look that was asked for counts as of now, whatever the clock of who asked said.

        Were that ahead, the slots up to then would be older than it, and change nothing.
        """
        return replace(visit, slot=self._now()) if visit.is_manual else visit

    async def _reach(self, moment: datetime) -> None:
        seconds = (moment - self._now()).total_seconds()
        if seconds > 0:
            await asyncio.sleep(min(seconds, MOST_AHEAD_SECONDS))

    async def _find_targets(self, visits: Sequence[Visit]) -> Mapping[UUID, RoundTarget]:
        """Wait while the database is away, as long as the lease and the attempt's time allow."""
        while True:
            self.behind += len(visits)
            try:
                return await self._targets.find(visits)
            except StorageUnavailableError as error:
                _log.warning("targets_not_found_yet", error=repr(error))
            finally:
                self.behind -= len(visits)
            await asyncio.sleep(RETRY_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311 - spreads workers

    async def _without_written(self, visits: Sequence[Visit], targets: Mapping[UUID, RoundTarget]) -> list[Visit]:
        """Leave out what an earlier attempt has recorded."""
        regular = [(targets[visit.monitor_id].monitor.series_id, visit.slot) for visit in visits if visit.is_regular]
        async with self._database.one_statement() as work:
            written = await RoundStore(work).find_written(regular)
        return [
            visit
            for visit in visits
            if not visit.is_regular or (targets[visit.monitor_id].monitor.series_id, visit.slot) not in written
        ]

    async def _visit(self, run: _Run, visit: Visit, target: RoundTarget) -> None:
        monitor = target.monitor
        if monitor.paused_at is not None and not visit.is_manual:
            await self._miss(run, visit, GapReason.PAUSED, paused_at=monitor.paused_at)
            return
        try:
            reading = await self._look(visit, target)
        except TooLateError:
            await self._miss(run, visit, GapReason.OVERLOAD if run.claimed.attempt == 1 else GapReason.WORKER_LOST)
            return
        covers_until = monitor.schedule.next_after(visit.slot) if visit.is_regular else None
        await self._recorder.record(TakenLook(run.round, monitor, visit, reading, covers_until))
        run.counted[reading.outcome] += 1
        if visit.is_manual:
            run.readings.append(_shown(monitor, reading))

    async def _look(self, visit: Visit, target: RoundTarget) -> Reading:
        if isinstance(target.target, Fault):
            fault = target.target
            return Reading(Outcome.ERROR, 0.0, self._now(), code=fault.code, message=fault.message)
        lag_ms: list[float] = []

        def begin() -> None:
            late = max(timedelta(0), self._now() - visit.slot)
            if visit.is_regular and not lag_ms and late > _patience(target.monitor, visit):
                raise TooLateError
            lag_ms.append(round(late / timedelta(milliseconds=1), 3))

        reading = await self._collection.collect(target.target, on_start=begin)
        if not lag_ms or visit.is_manual:
            return reading
        metrics = {**reading.metrics, "lag_ms": lag_ms[0]}
        return Reading(
            reading.outcome, reading.duration_ms, reading.collected_at, metrics, reading.code, reading.message
        )

    async def _miss(self, run: _Run, visit: Visit, reason: GapReason, *, paused_at: datetime | None = None) -> None:
        run.missed += 1
        if visit.is_regular:
            gap = Gap(visit.monitor_id, visit.slot, visit.slot, 1, reason)
            await self._recorder.record(MissedLook(run.round, gap, paused_at))


def _patience(monitor: WatchedMonitor, visit: Visit) -> timedelta:
    """How late a look may begin."""
    interval = monitor.schedule.interval or monitor.schedule.next_after(visit.slot) - visit.slot
    return max(interval, LEAST_PATIENCE)


def _shown(monitor: WatchedMonitor, reading: Reading) -> dict[str, Any]:
    return {
        "monitor_id": str(monitor.monitor_id),
        "outcome": reading.outcome.value,
        "duration_ms": reading.duration_ms,
        "metrics": dict(reading.metrics),
        "code": reading.code,
        "message": reading.message,
    }
