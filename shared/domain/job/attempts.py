"""What one attempt's work came to, and what that makes of the job."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared.domain.job.jobs import AttemptOutcome, Failure, JobState, RetryDecision, decide_retry, decide_snooze
from shared.domain.job.leases import ClaimedJob, JobEnd
from shared.domain.sample.samples import Sample

ReportProgress = Callable[[Mapping[str, Any]], None]
"""How work tells how far it is (`done`, `total`, and what else its kind has); written with the next heartbeat."""


@dataclass(frozen=True, slots=True)
class Worked:
    """What the work of one attempt came to; without `failure` and `snooze` it was done.

    `snooze` asks to be run again after that time, the attempt unspent, going on from `progress`. A permanent failure
    discards the job: it ends at once, whatever attempts are left.
    """

    result: Mapping[str, Any] | None = None
    samples: Sequence[Sample] = ()
    failure: Failure | None = None
    detail: Mapping[str, Any] | None = None
    snooze: timedelta | None = None
    progress: Mapping[str, Any] | None = None


def end_of_work(claimed: ClaimedJob, worked: Worked, *, now: datetime, draw: float) -> JobEnd:
    """Where the job goes after its work; `draw` is a random number in [0, 1), which keeps the decision pure."""
    outcome = AttemptOutcome.SUCCEEDED
    decision: RetryDecision | None = None
    failure = worked.failure
    if failure is not None:
        outcome = AttemptOutcome.FAILED
        decision = decide_retry(
            failure,
            kind=claimed.kind,
            attempt=claimed.attempt,
            max_attempts=claimed.max_attempts,
            now=now,
            draw=draw,
        )
    elif worked.snooze is not None:
        outcome = AttemptOutcome.SNOOZED
        decision = decide_snooze(worked.snooze, snoozes=claimed.snoozes, now=now)
        if decision.state is JobState.FAILED:
            outcome = AttemptOutcome.FAILED
            failure = Failure(decision.reason.value, "the work was put off too often")
    return JobEnd(
        claimed=claimed,
        state=decision.state if decision else JobState.SUCCEEDED,
        outcome=outcome,
        finished_at=now,
        run_at=decision.retry_at if decision else None,
        result=worked.result,
        failure=failure,
        detail=worked.detail,
        samples=worked.samples,
        progress=worked.progress,
    )


def end_of_interruption(claimed: ClaimedJob, *, is_cancel_requested: bool, now: datetime) -> JobEnd:
    """Where a job goes whose attempt was stopped: cancelled by its people, or handed back unspent."""
    if is_cancel_requested:
        return JobEnd(claimed, JobState.CANCELLED, AttemptOutcome.CANCELLED, now)
    return JobEnd(claimed, JobState.QUEUED, AttemptOutcome.RELEASED, now)
