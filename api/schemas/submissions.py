"""What a client sends to make jobs: strict, and unknown fields are refused."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator
from pydantic.config import JsonDict

from api.schemas.job_keys import FreeLimitKey, JobKey
from api.schemas.moments import Moment
from shared.domain.channel.notifications import Channel, CompletionWebhook, Message
from shared.domain.durations import Duration
from shared.domain.job.jobs import DEFAULT_MAX_ATTEMPTS, DEFAULT_PRIORITY, PRIORITIES, JobKind
from shared.domain.job.submissions import OnConflict
from shared.domain.numbers import WHOLE
from shared.domain.target.targets import Labels, Target

MAX_TARGETS = 1000
MAX_BATCH = 1000
MAX_ATTEMPTS = 25
MAX_DELAY = timedelta(days=366)


_TEXT: JsonDict = {"type": "string"}
_BOTH_DUE: JsonDict = {"required": ["run_at", "delay"], "properties": {"run_at": _TEXT, "delay": _TEXT}}
_BOTH_ENDS: JsonDict = {
    "required": ["expires_at", "expires_in"],
    "properties": {"expires_at": _TEXT, "expires_in": _TEXT},
}


class SubmissionModel(BaseModel):
    """What every kind of job has in common."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, json_schema_extra={"not": {"anyOf": [_BOTH_DUE, _BOTH_ENDS]}}
    )

    run_at: Annotated[Moment | None, Field(description="When the job is due, RFC 3339 with its offset.")] = None
    delay: Annotated[
        Duration | None, Field(le=MAX_DELAY, description="In how long the job is due, instead of `run_at`.")
    ] = None
    max_attempts: Annotated[
        Annotated[int, Field(ge=1, le=MAX_ATTEMPTS), WHOLE] | None,
        Field(description="How often the job is tried when our side fails."),
    ] = None
    labels: Annotated[Labels, Field(description="Names and values that jobs are found by.")] = Field(
        default_factory=dict
    )

    priority: Annotated[
        Annotated[int, Field(ge=PRIORITIES[0], le=PRIORITIES[-1]), WHOLE],
        Field(description="9 goes first; a step is worth a minute of waiting."),
    ] = DEFAULT_PRIORITY
    expires_at: Annotated[
        Moment | None, Field(description="The job is not started after it, but ends as `expired`.")
    ] = None
    expires_in: Annotated[
        Duration | None,
        Field(gt=timedelta(0), le=MAX_DELAY, description="How long after it is due the job may still be started."),
    ] = None
    unique_key: Annotated[
        JobKey | None, Field(description="No second job with this key is made until the first one has ended.")
    ] = None
    on_conflict: Annotated[
        OnConflict, Field(description="Whether the job that holds the unique key is answered, or 409.")
    ] = OnConflict.RETURN
    limit_key: Annotated[FreeLimitKey | None, Field(description="The job shares the limit set under this key.")] = None
    parent_id: Annotated[UUID | None, Field(description="The job is a child of this one.")] = None
    webhook: Annotated[CompletionWebhook | None, Field(description="Is told the job's end.")] = None

    @model_validator(mode="after")
    def _has_one_of_two(self) -> Self:
        if self.run_at is not None and self.delay is not None:
            raise ValueError("give run_at or delay, not both")
        if self.expires_at is not None and self.expires_in is not None:
            raise ValueError("give expires_at or expires_in, not both")
        return self

    def due_at(self, now: datetime) -> datetime:
        """When the job is due; what lies in the past is due now."""
        return max(self.run_at or now + (self.delay or timedelta(0)), now)

    def deadline(self, due_at: datetime) -> datetime | None:
        """By when the job has to be started."""
        return self.expires_at if self.expires_in is None else due_at + self.expires_in


class CollectSubmission(SubmissionModel):
    """A job that collects targets."""

    kind: Literal["collect"]
    targets: Annotated[list[Target], Field(min_length=1, max_length=MAX_TARGETS)]


class NotifySubmission(SubmissionModel):
    """A job that tells one channel one message."""

    kind: Literal["notify"]
    channel: Channel
    message: Message


JobSubmissionBody = Annotated[CollectSubmission | NotifySubmission, Field(discriminator="kind")]
SUBMISSION: TypeAdapter[CollectSubmission | NotifySubmission] = TypeAdapter(JobSubmissionBody)


class BatchBody(BaseModel):
    """Up to a thousand jobs; each is judged by itself, so that one wrong item does not spoil the others."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    jobs: Annotated[list[Any], Field(min_length=1, max_length=MAX_BATCH)]
    atomic: Annotated[bool, Field(description="Whether one wrong item refuses all.")] = False


BATCH: TypeAdapter[BatchBody] = TypeAdapter(BatchBody)


def max_attempts_of(submission: SubmissionModel, kind: JobKind) -> int:
    """How often the job is tried."""
    return submission.max_attempts or DEFAULT_MAX_ATTEMPTS[kind]
