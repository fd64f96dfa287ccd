"""What statistics look like."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from api.schemas.jobs import View
from shared.domain.sample.statistics import Figures, StatsAnswer, StatsItem
from shared.domain.sample.summary import Summary


class FiguresView(View):
    """The numbers of a group or of one bucket of it; percentiles stand beside them as `p50`, `p99.9`."""

    model_config = ConfigDict(extra="allow")

    count: int = Field(description="Every sample, also those that could not be taken through our own fault.")
    mean: float | None
    min: float | None
    max: float | None
    latest: float | None
    latest_at: datetime | None
    outcomes: dict[str, int]
    uptime: float | None = Field(description="(up + degraded) / (up + degraded + down).")


class BucketView(FiguresView):
    """One span of time; spans without a sample are left out."""

    start: datetime


class StatsMonitorView(View):
    """The monitor that a group is of."""

    id: UUID
    group: str
    name: str


class StatsItemView(FiguresView):
    """One group."""

    kind: str | None = None
    target: str | None = None
    label: str | None = None
    monitor: StatsMonitorView | None = None
    buckets: list[BucketView] | None = None


class StatsView(View):
    """The groups, sorted by their key."""

    items: list[StatsItemView]
    metric: str
    start: datetime
    end: datetime
    percentiles: Literal["exact", "approximate"]
    error: float = Field(description="How far percentiles may be off, relative: 0.01 is 1 %.")
    truncated: bool = Field(description="Whether there are more groups than are shown.")


class MonitorStatsView(FiguresView):
    """What the samples of one monitor come to."""

    buckets: list[BucketView] | None = None
    metric: str
    start: datetime
    end: datetime
    percentiles: Literal["exact", "approximate"]
    error: float = Field(description="How far percentiles may be off, relative: 0.01 is 1 %.")


def monitor_answer_json(answer: StatsAnswer, percentiles: Sequence[float]) -> dict[str, object]:
    """The answer for a single monitor as `MonitorStatsView` describes it; zeros and nulls where it has no sample."""
    nothing = StatsItem(None, None, None, Summary(outcomes={}).figures(percentiles))
    return {
        **_numbers_json(answer.items[0] if answer.items else nothing),
        "metric": answer.metric,
        "start": answer.start,
        "end": answer.end,
        "percentiles": answer.percentiles,
        "error": answer.error,
    }


def answer_json(answer: StatsAnswer) -> dict[str, object]:
    """The answer as `StatsView` describes it."""
    return {
        "items": [_item_json(item) for item in answer.items],
        "metric": answer.metric,
        "start": answer.start,
        "end": answer.end,
        "percentiles": answer.percentiles,
        "error": answer.error,
        "truncated": answer.is_truncated,
    }


def _item_json(item: StatsItem) -> dict[str, Any]:
    names = {"kind": item.kind, "target": item.target, "label": item.label}
    shown: dict[str, Any] = {name: value for name, value in names.items() if value is not None}
    if item.monitor is not None:
        key = item.monitor
        shown["monitor"] = {"id": str(key.monitor_id), "group": key.group, "name": key.name}
    return shown | _numbers_json(item)


def _numbers_json(item: StatsItem) -> dict[str, Any]:
    shown = _figures_json(item.figures)
    if item.buckets:
        shown["buckets"] = [{"start": bucket.start} | _figures_json(bucket.figures) for bucket in item.buckets]
    return shown


def _figures_json(figures: Figures) -> dict[str, Any]:
    return {
        "count": figures.count,
        "mean": figures.mean,
        "min": figures.min,
        "max": figures.max,
        "latest": figures.latest,
        "latest_at": figures.latest_at,
        **figures.percentiles,
        "outcomes": dict(figures.outcomes),
        "uptime": figures.uptime,
    }
