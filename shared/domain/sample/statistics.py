"""What can be asked of many samples, and what is answered."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Literal
from uuid import UUID

from shared.domain.target.kinds import METRICS, ROLLED_UP

PRIMARY_METRIC = "duration_ms"
MAX_BUCKETS = 10_000
MAX_PERCENTILES = 20
HIGHEST_PERCENTILE = 100

GroupBy = Literal["kind", "target", "label", "monitor"]


class StatsQueryError(ValueError):
    """The question cannot be answered; the message says how to ask instead."""


class UnknownMetricError(StatsQueryError):
    """No kind that was asked for keeps this metric; `known` are the names that would do."""

    def __init__(self, metric: str, known: tuple[str, ...]) -> None:
        super().__init__(f'there is no metric "{metric}" here; known are {", ".join(known)}')
        self.metric = metric
        self.known = known


class StatsTimeoutError(Exception):
    """The question takes too long to answer; one of a shorter window or fewer targets will not."""


@dataclass(frozen=True, slots=True)
class StatsQuery:
    """Statistics of one metric over `[start, end)`, for the series that all of the filters choose.

    `monitors` and `group` choose series of monitors, by their ids and by the name of their group. `target` is the
    display name, whole. `bucket` divides the window into spans that are multiples of it since 1970-01-01 UTC; the first
    and last are cut by the window. `group_by` "label" needs `group_label`, and leaves out series without that label, as
    "monitor" leaves out those without one. `percentiles` lie in (0, 100].
    """

    start: datetime
    end: datetime
    kind: str | None = None
    target: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    monitors: tuple[UUID, ...] = ()
    group: str | None = None
    metric: str = PRIMARY_METRIC
    bucket: timedelta | None = None
    group_by: GroupBy = "kind"
    group_label: str | None = None
    percentiles: tuple[float, ...] = (50.0, 95.0, 99.0)


@dataclass(frozen=True, slots=True)
class Figures:
    """The numbers of a group or of one bucket of it.

    `count` and `outcomes` count every sample. Values of samples with the outcome `error` are our own fault's: they
    enter nothing else. The numbers are None when no sample had the value. `percentiles` is keyed `p50`, `p99.9`.
    `uptime` is (up + degraded) / (up + degraded + down), None when nothing was judged.
    """

    count: int
    mean: float | None
    min: float | None
    max: float | None
    latest: float | None
    latest_at: datetime | None
    percentiles: Mapping[str, float | None]
    outcomes: Mapping[str, int]
    uptime: float | None


@dataclass(frozen=True, slots=True)
class StatsBucket:
    """One span of time of a group; spans without a sample are left out."""

    start: datetime
    figures: Figures


@dataclass(frozen=True, slots=True)
class MonitorKey:
    """A monitor, as a group of statistics is named after it."""

    monitor_id: UUID
    group: str
    name: str


@dataclass(frozen=True, slots=True)
class StatsItem:
    """One group.

    `kind` is there when grouped by kind, target or monitor, `target` when by target, `label` (its value) when by label,
    `monitor` when by monitor.
    """

    kind: str | None
    target: str | None
    label: str | None
    figures: Figures
    buckets: tuple[StatsBucket, ...] = ()
    monitor: MonitorKey | None = None


@dataclass(frozen=True, slots=True)
class StatsAnswer:
    """The groups, sorted by their key.

    `start` may lie before the one asked for where only hours or days are still kept, and after it where finer buckets
    are asked for than are kept. `percentiles` says whether they are exact or within `error` (relative, 0.01 is 1 %).
    `is_truncated` says that there are more groups than are shown.
    """

    items: tuple[StatsItem, ...]
    metric: str
    start: datetime
    end: datetime
    percentiles: Literal["exact", "approximate"]
    error: float
    is_truncated: bool


def percentile_name(percentile: float) -> str:
    """How a percentile is called in an answer: `p50`, `p99.9`."""
    return f"p{percentile:g}"


def metric_positions(metric: str, kind: str | None) -> Mapping[str, int]:
    """Where each kind keeps `metric`: 0 is the primary one, n the n-th of the packed ones.

    Raises:
        UnknownMetricError: neither `kind` nor, without one, any kind keeps it.
    """
    kinds = METRICS if kind is None else {kind: METRICS.get(kind, ())}
    if metric == PRIMARY_METRIC:
        return MappingProxyType(dict.fromkeys(kinds, 0))
    positions = {name: metrics.index(metric) + 1 for name, metrics in kinds.items() if metric in metrics}
    if not positions:
        known = sorted({name for metrics in kinds.values() for name in metrics})
        raise UnknownMetricError(metric, (PRIMARY_METRIC, *known))
    return MappingProxyType(positions)


def is_rolled_up(metric: str, kinds: Mapping[str, int]) -> bool:
    """Whether hours and days of `metric` are kept for every one of `kinds`."""
    return metric == PRIMARY_METRIC or all(metric in ROLLED_UP.get(kind, ()) for kind in kinds)


def check_query(query: StatsQuery) -> None:
    """Refuse what has no answer.

    Raises:
        StatsQueryError: an empty window, too many buckets, a percentile out of range, a grouping without its label.
    """
    if query.end <= query.start:
        raise StatsQueryError("the window is empty; its end must lie after its start")
    if query.bucket is not None:
        if query.bucket < timedelta(seconds=1):
            raise StatsQueryError("a bucket is at least 1s")
        if (query.end - query.start) / query.bucket > MAX_BUCKETS:
            raise StatsQueryError(f"the window has more than {MAX_BUCKETS:,} buckets; ask for longer ones")
    if len(query.percentiles) > MAX_PERCENTILES or not all(
        0 < each <= HIGHEST_PERCENTILE for each in query.percentiles
    ):
        raise StatsQueryError(f"ask for at most {MAX_PERCENTILES} percentiles, each above 0 and at most 100")
    if (query.group_by == "label") != bool(query.group_label):
        raise StatsQueryError("grouping by label needs the label's name, as in group_by=label:team")
