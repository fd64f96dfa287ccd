"""The work of a requeue job: make new jobs of what its filter finds, in batches, a few first where it has a canary."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec

from shared.domain.job.attempts import ReportProgress, Worked
from shared.domain.job.jobs import Failure
from shared.domain.job.leases import ClaimedJob
from shared.domain.job.requeue import RequeueOrder, RequeueReason, Tally, decide_requeue, stage_of
from shared.services.job.announcer import Announcer
from shared.storage.database import Database
from shared.storage.job.requeue_store import Place, Requeuer, RequeueStore

BATCH = 500
FIRST_WAIT = timedelta(seconds=1)
LONGEST_WAIT = timedelta(seconds=30)

_UNREADABLE = Failure("unreadable_spec", "this worker cannot read the job's filter", is_permanent=True)
_STOPPED = Failure("stopped", "the lease was lost, or the job's cancel was asked for")


class RequeueWork:
    """Requeues what a filter finds. Each batch is one transaction under the job's lease; a crash repeats none."""

    def __init__(self, database: Database, announcer: Announcer) -> None:
        self._database = database
        self._announcer = announcer

    async def __call__(self, claimed: ClaimedJob, report: ReportProgress) -> Worked:
        """Go on until all is requeued, a canary has to be waited for, or one has failed."""
        try:
            order = msgspec.json.decode(claimed.spec, type=RequeueOrder)
        except msgspec.DecodeError:
            return Worked(failure=_UNREADABLE)
        return await _Run(self._database, self._announcer, claimed=claimed, order=order).go_on(report)


class _Run:
    """One attempt; what it knows of earlier ones is in the database."""

    def __init__(self, database: Database, announcer: Announcer, *, claimed: ClaimedJob, order: RequeueOrder) -> None:
        self._database = database
        self._announcer = announcer
        self._claimed = claimed
        self._order = order
        self._by = Requeuer(claimed.principal_id, parent_id=claimed.job_id)
        self._matched = 0
        self._tally = Tally()
        self._after: Place | None = None
        self._is_exhausted = False

    async def go_on(self, report: ReportProgress) -> Worked:
        await self._look()
        while True:
            report(self._progress())
            decision = decide_requeue(self._order, self._tally, is_exhausted=self._is_exhausted)
            if decision.reason is RequeueReason.CANARY_RUNNING:
                return Worked(snooze=_wait_of(self._claimed), progress=self._progress())
            if decision.reason is RequeueReason.CANARY_FAILED:
                return Worked(failure=self._canary_failure(), progress=self._progress())
            if decision.up_to is None:
                return Worked(result=self._progress() | {"reason": decision.reason.value}, progress=self._progress())
            if not await self._requeue(up_to=decision.up_to):
                return Worked(failure=_STOPPED)

    async def _look(self) -> None:
        """Count what was requeued, and once what there is to requeue."""
        known = (self._claimed.progress or {}).get("matched")
        async with self._database.transaction() as work:
            store = RequeueStore(work)
            self._tally = await store.tally(self._claimed.job_id)
            if known is None:
                left = await store.count_matching(self._order.filter, at_most=self._order.limit)
                known = min(left + self._tally.requeued, self._order.limit)
        self._matched = known

    async def _requeue(self, *, up_to: int) -> bool:
        """Requeue one batch; False when somebody else has the job now, or its cancel was asked for."""
        limit = min(BATCH, up_to - self._tally.requeued)
        async with self._database.transaction() as work:
            store = RequeueStore(work)
            if not await store.is_still_to_do(self._claimed.job_id, self._claimed.lease_token):
                return False
            found = await store.list_matching(
                self._order.filter, requeue_job_id=self._claimed.job_id, after=self._after, limit=limit
            )
            made, rings = await store.requeue_ended([job_id for _, job_id in found], self._by) if found else ([], [])
        self._announcer.announce([], rings)
        self._is_exhausted = not found
        self._after = found[-1] if found else self._after
        self._tally = replace(self._tally, requeued=self._tally.requeued + len(made))
        return True

    def _progress(self) -> dict[str, Any]:
        tally = self._tally
        return {
            # Jobs that ended after the count are requeued too.
            "matched": max(self._matched, tally.requeued),
            "requeued": tally.requeued,
            "succeeded": tally.succeeded,
            "failed": tally.failed,
            "stage": stage_of(self._order, tally),
        }

    def _canary_failure(self) -> Failure:
        tally = self._tally
        return Failure(
            RequeueReason.CANARY_FAILED.value,
            f"{tally.failed} of the first {tally.requeued} failed again ({stage_of(self._order, tally)}), "
            f"{max(self._matched - tally.requeued, 0)} were left as they are",
            is_permanent=True,
        )


def _wait_of(claimed: ClaimedJob) -> timedelta:
    """Longer each time, since a canary that has not ended soon may be hours in its retries."""
    return min(FIRST_WAIT * (1 << min(claimed.snoozes, 10)), LONGEST_WAIT)


def order_json(order: RequeueOrder) -> str:
    """The order as a requeue job's spec."""
    return msgspec.json.encode(order).decode()
