"""The query parameters of lists and statistics; unknown ones are refused, since a misspelt filter would find all."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.job_keys import JobKey
from api.schemas.moments import Moment
from shared.domain.durations import Duration
from shared.domain.forms import LABEL, PERCENTILES, SAMPLE_GROUPING
from shared.domain.job.jobs import JobKind, JobState

LabelTerm = Annotated[str, Field(pattern=LABEL, examples=["team:web"])]
"""One label, name and value."""

PlainText = Annotated[str, Field(pattern=r"^[^\x00]*$")]
"""Text that the database can hold."""

Cursor = Annotated[
    str | None, Field(max_length=500, description="The `next_cursor` of the page before, with the same filters.")
]


LONGEST_WINDOW = timedelta(days=36_525)


class QueryModel(BaseModel):
    """What all queries have in common."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class JobListQuery(QueryModel):
    """Which jobs to list."""

    state: list[JobState] = Field(default_factory=list, max_length=8, description="Any of these states.")
    kind: JobKind | None = None
    label: list[LabelTerm] = Field(default_factory=list, max_length=22, description="All of these labels.")
    created_after: Moment | None = None
    created_before: Moment | None = None
    finished_after: Moment | None = None
    finished_before: Moment | None = None
    parent_id: Annotated[UUID | None, Field(description="Children of this job.")] = None
    requeue_of: Annotated[UUID | None, Field(description="The job that runs this one anew.")] = None
    unique_key: JobKey | None = None
    limit_key: JobKey | None = None
    fingerprint: Annotated[
        str | None, Field(pattern=r"^[0-9a-f]{16}$", description="Jobs that failed in this way.")
    ] = None
    limit: int = Field(default=50, ge=0, description="At most 200; more is cut, 0 is the default.")
    cursor: Cursor = None


class ChildListQuery(QueryModel):
    """Which of a job's children to list."""

    state: list[JobState] = Field(default_factory=list, max_length=8, description="Any of these states.")
    limit: int = Field(default=50, ge=0, description="At most 200; more is cut, 0 is the default.")
    cursor: Cursor = None


class SampleListQuery(QueryModel):
    """Which of a job's samples to list."""

    limit: int = Field(default=100, ge=0, description="At most 1,000; more is cut, 0 is the default.")
    cursor: Cursor = None


class CancelQuery(QueryModel):
    """What else to cancel."""

    children: Annotated[bool, Field(description="Cancel all jobs that came of it, too.")] = False


class WindowQuery(QueryModel):
    """From when to when."""

    window: Annotated[
        Duration | None, Field(le=LONGEST_WINDOW, description="How long back from `end`; an hour unless told.")
    ] = None
    start: Moment | None = None
    end: Moment | None = None


class MonitorStatsRequest(WindowQuery):
    """What to know of a monitor's samples."""

    metric: Annotated[str, Field(max_length=100)] = "duration_ms"
    bucket: Annotated[
        Duration | None, Field(le=LONGEST_WINDOW, description="Divide the window into spans of this length.")
    ] = None
    percentiles: Annotated[str, Field(pattern=PERCENTILES, examples=["50,99.9"])] = "50,95,99"


class StatsRequest(MonitorStatsRequest):
    """What to know of many samples."""

    kind: Annotated[str | None, Field(description="Targets of this kind only.", examples=["http"])] = None
    target: Annotated[PlainText | None, Field(max_length=4096, description="The target by its shown name.")] = None
    label: list[LabelTerm] = Field(default_factory=list, max_length=22, description="All of these labels.")
    monitor: list[UUID] = Field(default_factory=list, max_length=100, description="Any of these monitors.")
    group: Annotated[PlainText | None, Field(max_length=200, description="Monitors of this group.")] = None
    by: Annotated[
        str,
        Field(pattern=SAMPLE_GROUPING, description="What to group by."),
    ] = "kind"


class MonitorSampleQuery(QueryModel):
    """Which of a monitor's samples to list."""

    start: Moment | None = None
    end: Moment | None = None
    limit: int = Field(default=100, ge=0, description="At most 1,000; more is cut, 0 is the default.")
    cursor: Cursor = None


class ExportQuery(WindowQuery):
    """Which samples to export, and how they are written."""

    format: Annotated[Literal["ndjson", "csv"], Field(description="A JSON object a line, or a table.")] = "ndjson"
    label: list[LabelTerm] = Field(default_factory=list, max_length=22, description="All of these labels.")
    monitor: list[UUID] = Field(default_factory=list, max_length=100, description="Any of these monitors.")
    group: Annotated[PlainText | None, Field(max_length=200, description="Monitors of this group.")] = None


def labels_of(terms: Sequence[str]) -> dict[str, str]:
    """The labels that the terms name; of two with the same name the last one counts."""
    return {name: value for name, _, value in (term.partition(":") for term in terms)}


def limit_of(asked: int, *, default: int, most: int) -> int:
    """How many items a page has (AIP-158: more than the most is cut, 0 is the default)."""
    return min(asked or default, most)
