"""The schedule: what is due becomes rounds, a second ahead of its moment; what was missed is written down, and why.

Safe to run in every worker at once: a due monitor is locked, and moved on in the transaction that makes its round.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog
from uuid_utils.compat import uuid7

from shared.domain.job.jobs import DEFAULT_MAX_ATTEMPTS, PRIORITIES, JobKind, NewJob
from shared.domain.monitor.rounds import encode_round
from shared.domain.monitor.scheduling import HORIZON, LEAD, Due, Flow, PackedRound, Pressure, decide_flow, pack_rounds
from shared.domain.monitor.slots import Gap, GapReason, Plan, plan_visits
from shared.services.job.announcer import Announcer
from shared.storage.database import Database, UnitOfWork
from shared.storage.job.job_store import JobStore, first_ring
from shared.storage.monitor.schedule_store import ScheduleStore

_log = structlog.get_logger()

PRINCIPAL = "schedule"
AT_ONCE = 2000
"""How many due monitors one transaction moves on."""
SAID_EVERY = timedelta(seconds=1)
"""How often it is written down that slots are scheduled."""


@dataclass(frozen=True, slots=True)
class ScheduleReport:
    """What a turn did: looks it handed out in how many rounds, slots missed by reason.

    `overdue_seconds` is how late the longest due monitor was before it.
    """

    visits: int = 0
    rounds: int = 0
    missed: Mapping[GapReason, int] = field(default_factory=dict)
    overdue_seconds: float = 0.0
    is_overloaded: bool = False


NoteSchedule = Callable[[ScheduleReport], None]


def note_nothing(_report: ScheduleReport) -> None:
    """What a process without metrics counts: nothing."""


CountMissed = Callable[[Mapping[GapReason, int]], None]


def count_no_misses(_missed: Mapping[GapReason, int]) -> None:
    """What a process without metrics counts: nothing."""


class Scheduling:
    """Turns what is due into rounds."""

    def __init__(self, database: Database, announcer: Announcer, *, note: NoteSchedule = note_nothing) -> None:
        self._database = database
        self._announcer = announcer
        self._note = note

    async def run(self) -> int:
        """Schedule all that is due soon; answers how many monitors were moved on.

        While rounds wait for too long nothing is scheduled: slots pass then, and are missed for it.
        """
        async with self._database.one_statement() as work:
            glance = await ScheduleStore(work).glance(lead=LEAD, every=SAID_EVERY)
        if not (glance.is_due or glance.is_stale):
            return 0
        pressure, flow = await self._say(is_stale=glance.is_stale)
        moved = claimed = await self._schedule(pressure, flow) if glance.is_due else 0
        while claimed == AT_ONCE:
            pressure, flow = await self._say(is_stale=False)
            claimed = await self._schedule(pressure, flow)
            moved += claimed
        return moved

    async def _say(self, *, is_stale: bool) -> tuple[Pressure, Flow]:
        """Decide whether rounds are made, and write down what is news of it."""
        async with self._database.writing() as work:
            store = ScheduleStore(work)
            pressure = await store.read_pressure()
            flow = decide_flow(pressure)
            is_changed = flow.overloaded_since != pressure.overloaded_since
            is_told = await store.note_run(flow, pressure) if is_stale or is_changed else False
        if is_told:
            _tell(flow, pressure)
        return pressure, flow

    async def _schedule(self, pressure: Pressure, flow: Flow) -> int:
        overdue = max(pressure.overdue or timedelta(0), timedelta(0))
        report = ScheduleReport(
            overdue_seconds=overdue.total_seconds(), is_overloaded=flow.overloaded_since is not None
        )
        if not flow.is_open:
            self._note(report)
            return 0
        async with self._database.writing() as work:
            claimed = await ScheduleStore(work).claim_due(horizon=HORIZON, limit=AT_ONCE)
            planned = await _planned(work, claimed, now=pressure.now, reason=flow.reason)
            gaps = [gap for _, plan in planned for gap in plan.gaps]
            jobs = [_job_of(packed, now=pressure.now) for packed in pack_rounds(planned, now=pressure.now)]
            await _write(work, planned, gaps, jobs, now=pressure.now)
        self._announcer.announce((), [first_ring(job) for job in jobs])
        visits = sum(len(plan.visits) for _, plan in planned)
        self._note(replace(report, visits=visits, rounds=len(jobs), missed=missed_of(gaps)))
        return len(claimed)


def missed_of(gaps: Sequence[Gap]) -> Mapping[GapReason, int]:
    """How many slots are missing, by reason."""
    missed: Counter[GapReason] = Counter()
    for gap in gaps:
        missed[gap.reason] += gap.slots
    return missed


async def _planned(
    work: UnitOfWork, claimed: Sequence[Due], *, now: datetime, reason: GapReason
) -> list[tuple[Due, Plan]]:
    """What becomes of each; a monitor with gaps that is just being deleted is left alone."""
    planned = [(due, plan_visits(due.monitor, now=now, until=now + HORIZON, reason=reason)) for due in claimed]
    missing = [due.monitor.monitor_id for due, plan in planned if plan.gaps]
    if not missing:
        return planned
    present = await ScheduleStore(work).hold_present(missing)
    return [(due, plan) for due, plan in planned if not plan.gaps or due.monitor.monitor_id in present]


async def _write(
    work: UnitOfWork,
    planned: Sequence[tuple[Due, Plan]],
    gaps: Sequence[Gap],
    jobs: Sequence[NewJob],
    *,
    now: datetime,
) -> None:
    store = ScheduleStore(work)
    if planned:
        await store.advance([(due.monitor.monitor_id, plan) for due, plan in planned])
    if gaps:
        await store.add_gaps(gaps)
    if jobs:
        await JobStore(work).insert(jobs, now=now)


def _job_of(packed: PackedRound, *, now: datetime) -> NewJob:
    return NewJob(
        job_id=uuid7(),
        kind=JobKind.ROUND,
        spec=encode_round(packed.visits),
        run_at=now,
        max_attempts=DEFAULT_MAX_ATTEMPTS[JobKind.ROUND],
        principal_id=PRINCIPAL,
        priority=PRIORITIES[-1],
        expires_at=packed.expires_at,
    )


def _tell(flow: Flow, pressure: Pressure) -> None:
    if flow.overloaded_since is None:
        since = pressure.overloaded_since
        seconds = (pressure.now - since).total_seconds() if since else 0.0
        _log.info("overload_over", seconds=round(seconds, 1))
        return
    waited_seconds = pressure.waited.total_seconds() if pressure.waited else 0.0
    _log.warning("overloaded", waiting=pressure.waiting, running=pressure.running, waited_seconds=waited_seconds)
