"""What a client sends to have ended jobs run anew, and what is answered."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator
from pydantic.config import JsonDict

from api.schemas.jobs import View
from api.schemas.moments import Moment
from api.schemas.submissions import MAX_ATTEMPTS, MAX_DELAY
from shared.domain.durations import Duration
from shared.domain.job.fingerprints import FINGERPRINT
from shared.domain.job.jobs import PRIORITIES, JobState
from shared.domain.job.requeue import (
    MAX_REQUEUED,
    MAX_STEP,
    Canary,
    RequeueChanges,
    RequeueFilter,
    RequeueOrder,
)
from shared.domain.numbers import WHOLE
from shared.domain.target.targets import Labels

MAX_STEPS = 10
_TEXT: JsonDict = {"type": "string"}
_BOTH_DUE: JsonDict = {"required": ["run_at", "delay"], "properties": {"run_at": _TEXT, "delay": _TEXT}}

Fingerprint = Annotated[str, Field(pattern=f"^{FINGERPRINT}$", examples=["9f86d081884c7d65"])]
EndedState = Literal["failed", "succeeded", "cancelled", "expired"]


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class RequeueBody(_Body):
    """What is to be otherwise than it was; nothing, unless told."""

    model_config = ConfigDict(json_schema_extra={"not": _BOTH_DUE})

    run_at: Annotated[Moment | None, Field(description="When the new job is due; now, unless told.")] = None
    delay: Annotated[
        Duration | None, Field(le=MAX_DELAY, description="In how long it is due, instead of `run_at`.")
    ] = None
    max_attempts: Annotated[
        Annotated[int, Field(ge=1, le=MAX_ATTEMPTS), WHOLE] | None, Field(description="As the old job, unless told.")
    ] = None
    priority: Annotated[
        Annotated[int, Field(ge=PRIORITIES[0], le=PRIORITIES[-1]), WHOLE] | None,
        Field(description="As the old job, unless told."),
    ] = None

    @model_validator(mode="after")
    def _has_one_due_time(self) -> Self:
        if self.run_at is not None and self.delay is not None:
            raise ValueError("give run_at or delay, not both")
        return self

    def changes(self, now: datetime) -> RequeueChanges:
        """What is to be otherwise, as of `now`."""
        run_at = self.run_at or (now + self.delay if self.delay else None)
        return RequeueChanges(run_at, self.max_attempts, self.priority)


class CanaryBody(_Body):
    """A few first: the order stops when too many of them fail again."""

    steps: Annotated[
        list[Annotated[int, Field(ge=1, le=MAX_STEP), WHOLE]],
        Field(min_length=1, max_length=MAX_STEPS, description="How many jobs to requeue each time, before all others."),
    ] = Field(default_factory=lambda: list(Canary().steps))
    max_failure_rate: Annotated[
        float, Field(ge=0, le=1, description="Which part of them may fail again, of all requeued until then.")
    ] = Canary().max_failure_rate

    def canary(self) -> Canary:
        """The canary as the order has it."""
        return Canary(tuple(self.steps), self.max_failure_rate)


class RequeueFilterBody(_Body):
    """Which ended jobs; all conditions hold. Jobs that were requeued already never match."""

    state: Annotated[list[EndedState], Field(min_length=1, max_length=4, description="Any of these states.")] = Field(
        default_factory=lambda: list[EndedState](["failed"])
    )
    kind: Literal["collect", "notify"] | None = None
    label: Annotated[Labels, Field(description="All of these labels.")] = Field(default_factory=dict)
    fingerprint: Annotated[Fingerprint | None, Field(description="Jobs that failed in this way.")] = None
    error_code: Annotated[
        Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$", examples=["timeout"])] | None,
        Field(description="Jobs whose error has this code."),
    ] = None
    finished_after: Moment | None = None
    finished_before: Moment | None = None

    def filter(self, now: datetime) -> RequeueFilter:
        """The filter, without what ends after `now`: an order does not chase what fails while it runs."""
        return RequeueFilter(
            states=tuple(JobState(state) for state in sorted(set(self.state))),
            kind=self.kind,
            labels=self.label,
            fingerprint=self.fingerprint,
            error_code=self.error_code,
            finished_after=self.finished_after,
            finished_before=min(self.finished_before or now, now),
        )


_Limit = Annotated[
    Annotated[int, Field(ge=1, le=MAX_REQUEUED), WHOLE], Field(description="At most so many, the first to have ended.")
]


class BulkRequeueBody(_Body):
    """Which ended jobs to run anew, and how carefully."""

    filter: RequeueFilterBody
    canary: Annotated[CanaryBody | None, Field(description="A few first; all at once, unless told.")] = None
    limit: _Limit = MAX_REQUEUED

    def order(self, now: datetime) -> RequeueOrder:
        """What the requeue job is to do."""
        return RequeueOrder(self.filter.filter(now), self.canary.canary() if self.canary else None, self.limit)


class ErrorRequeueBody(_Body):
    """How carefully to requeue what failed in one way."""

    canary: Annotated[CanaryBody | None, Field(description="null requeues all at once.")] = Field(
        default_factory=CanaryBody
    )
    limit: _Limit = MAX_REQUEUED

    def order(self, fingerprint: str, now: datetime) -> RequeueOrder:
        """What the requeue job is to do."""
        body = BulkRequeueBody(filter=RequeueFilterBody(fingerprint=fingerprint), canary=self.canary, limit=self.limit)
        return body.order(now)


class RequeuePreview(View):
    """How many jobs the filter finds."""

    valid: bool
    matching: int = Field(description="Counted no further than 10,000, and than the order's limit.")
    is_more: bool = Field(description="Whether there are more than were counted.")


REQUEUE: TypeAdapter[RequeueBody] = TypeAdapter(RequeueBody)
BULK_REQUEUE: TypeAdapter[BulkRequeueBody] = TypeAdapter(BulkRequeueBody)
ERROR_REQUEUE: TypeAdapter[ErrorRequeueBody] = TypeAdapter(ErrorRequeueBody)
