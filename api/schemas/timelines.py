"""What timelines and the figures of waits look like."""

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from pydantic import Field

from api.schemas.jobs import View
from api.schemas.queries import QueryModel
from shared.domain.durations import Duration
from shared.domain.job.jobs import JobKind
from shared.domain.job.timeline import Timeline, TimeSegment
from shared.domain.job.waits import WaitFigures

LONGEST_WINDOW = timedelta(days=366)
_MILLISECOND = timedelta(milliseconds=1)


class SpanView(View):
    """One span of a job's life."""

    segment: TimeSegment
    started_at: datetime
    ms: float
    attempt: int | None
    worker_id: str | None


class SegmentTotalView(View):
    """How much of a job's life went into one segment."""

    segment: TimeSegment
    ms: float
    share: float = Field(description="Of the whole life, 0 to 1.")


class TimelineView(View):
    """Where a job's time went; the spans follow each other without gap or overlap."""

    id: UUID
    started_at: datetime = Field(description="When it was submitted.")
    ended_at: datetime = Field(description="When it ended; now, while it lives.")
    done: bool
    total_ms: float
    totals: list[SegmentTotalView]
    spans: list[SpanView]


class WaitsQuery(QueryModel):
    """Which jobs to look at."""

    window: Annotated[
        Duration,
        Field(gt=timedelta(0), le=LONGEST_WINDOW, description="Jobs submitted so long back from now."),
    ] = timedelta(hours=1)
    kind: JobKind | None = None


class WaitView(View):
    """How long a job spent in one segment; percentiles are over jobs."""

    segment: TimeSegment
    share: float = Field(description="Of all time of all jobs, 0 to 1.")
    mean_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


class WaitsView(View):
    """Where the fleet's time goes."""

    start: datetime
    end: datetime
    jobs: int = Field(description="How many jobs were looked at.")
    is_sample: bool = Field(description="Whether the window may hold more jobs than were looked at.")
    segments: list[WaitView]


def timeline_json(job_id: UUID, timeline: Timeline, *, is_done: bool) -> dict[str, object]:
    """The timeline as `TimelineView` describes it."""
    whole = timeline.duration
    return {
        "id": str(job_id),
        "started_at": timeline.started_at,
        "ended_at": timeline.started_at + whole,
        "done": is_done,
        "total_ms": whole / _MILLISECOND,
        "totals": [
            {"segment": segment.value, "ms": spent / _MILLISECOND, "share": round(spent / whole, 6) if whole else 0.0}
            for segment, spent in timeline.totals.items()
        ],
        "spans": [
            {
                "segment": span.segment.value,
                "started_at": span.started_at,
                "ms": span.duration / _MILLISECOND,
                "attempt": span.attempt,
                "worker_id": span.worker_id,
            }
            for span in timeline.spans
        ],
    }


def wait_json(figures: WaitFigures) -> dict[str, object]:
    """The figures as `WaitView` describes them."""
    return {
        "segment": figures.segment.value,
        "share": round(figures.share, 6),
        "mean_ms": figures.mean / _MILLISECOND,
        "p50_ms": figures.p50 / _MILLISECOND,
        "p95_ms": figures.p95 / _MILLISECOND,
        "p99_ms": figures.p99 / _MILLISECOND,
        "max_ms": figures.longest / _MILLISECOND,
    }
