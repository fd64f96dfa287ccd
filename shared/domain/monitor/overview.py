"""How many monitors stand, at one look."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from shared.domain.monitor.standing import MonitorState


class OverviewItem(NamedTuple):
    """A monitor and how it stands: a tuple, for there are ten thousand of them.

    `labels` is JSON. `last_*` tells of its newest sample, `duration_ms` in milliseconds. `beats` are its newest samples
    as `shared.domain.monitor.beats` packs them.
    """

    monitor_id: str
    group: str
    name: str
    kind: str
    labels: str
    state: int
    since: datetime
    code: str | None
    last_at: datetime | None
    last_outcome: int | None
    duration_ms: float | None
    beats: bytes


class Shares(NamedTuple):
    """A monitor's uptimes and their coverages in the windows that were asked for."""

    ratios: Sequence[float | None]
    coverages: Sequence[float | None]


Totals = Mapping[MonitorState, int]
"""How many monitors are in each state, all of them named."""


@dataclass(frozen=True, slots=True)
class OverviewGroup:
    """What a group of monitors has in common, and how they stand."""

    value: str
    totals: Totals


@dataclass(frozen=True, slots=True)
class OverviewPage:
    """Monitors in the order of group and name, and how all that match stand, whichever page or state was asked for."""

    items: Sequence[OverviewItem]
    shares: Mapping[str, Shares]
    totals: Totals
    has_more: bool
