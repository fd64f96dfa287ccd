"""Fills the windows of rules that are new to a monitor with what was stored before they came."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import structlog

from shared.domain.judging.judgements import CompiledRule, JudgedMonitor, Judgement, Stands
from shared.domain.judging.judging import judge_filled
from shared.domain.judging.window_codec import Windows
from shared.domain.judging.window_filling import add_samples, first_of, place_of
from shared.domain.sample.chunk_codec import ChunkError
from shared.domain.sample.sample_columns import EMPTY, SampleColumns, microseconds_of
from shared.domain.sample.statistics import StatsTimeoutError
from shared.storage.database import Database, UnitOfWork
from shared.storage.judging.sweep_store import SweepStore
from shared.storage.sample.column_reading import read_columns
from shared.storage.sample.rollup_state import read_rollup_state
from shared.storage.sample.sample_reading import SampleWindow, coherent_reading, read_samples

_log = structlog.get_logger()

SETTLED_AFTER = timedelta(minutes=2)
"""Samples older than this are read before any row is locked: none of their slots comes any more, but after outages."""
LATEST_WITHIN = timedelta(hours=1)
"""How far back the latest value is looked for where a rule has no window."""
READ_SECONDS = timedelta(seconds=20)
_EVER = timedelta(days=1)
MAX_MONITORS, MAX_SAMPLES = 50, 2_000_000
"""Of how many monitors windows are filled in one go, and about how many samples are read for that; of one at least."""
PUT_OFF = timedelta(minutes=10)
"""After which it is tried again to fill windows of samples that could not be read."""
_USUAL = timedelta(minutes=1)


class Waiting(NamedTuple):
    """A judgement whose windows are to be filled, its monitor's state locked."""

    monitor: JudgedMonitor
    kept: Judgement
    stands: Stands


@dataclass(frozen=True, slots=True)
class Filling:
    """A rule's windows on a monitor with all samples before `cut`; `first` is the oldest one's moment."""

    windows: Windows
    cut: datetime
    first: datetime | None


class FillingReader:
    """Reads what windows are filled with; samples that cannot be read hold nobody else up."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._failed: set[UUID] = set()

    async def read(
        self, rule: CompiledRule, asked: Sequence[JudgedMonitor], *, now: datetime
    ) -> Mapping[UUID, Filling]:
        """Read for some of a rule's monitors; after it failed for one at a time, until those that fail are put off."""
        chosen = _affordable(rule, asked)[: 1 if rule.rule_id in self._failed else None]
        try:
            return await read_fillings(self._database, rule, chosen, now=now)
        except (StatsTimeoutError, ChunkError) as error:
            _log.warning("windows_not_filled", rule_id=str(rule.rule_id), monitors=len(chosen), error=str(error))
        self._failed.add(rule.rule_id)
        if len(chosen) == 1:
            async with self._database.transaction() as work:
                await SweepStore(work).put_off([(rule.rule_id, chosen[0].monitor_id)], wait=PUT_OFF)
        return {}


def _affordable(rule: CompiledRule, monitors: Sequence[JudgedMonitor]) -> list[JudgedMonitor]:
    """The first of the monitors, as many as are filled in one go: a month of seconds is millions of samples."""
    window, left = rule.program.longest or LATEST_WITHIN, float(MAX_SAMPLES)
    chosen: list[JudgedMonitor] = []
    for monitor in monitors[:MAX_MONITORS]:
        left -= window / (monitor.schedule.interval or _USUAL)
        if chosen and left < 0:
            break
        chosen.append(monitor)
    return chosen


async def read_fillings(
    database: Database, rule: CompiledRule, monitors: Sequence[JudgedMonitor], *, now: datetime
) -> dict[UUID, Filling]:
    """What lies before, of each of these monitors; nothing is locked meanwhile."""
    cut = now - SETTLED_AFTER
    window = rule.program.longest or LATEST_WITHIN
    async with coherent_reading(database, patience=READ_SECONDS) as work:
        # A tenth more, so that a window's first sample is found also where none lies at its very beginning.
        span = SampleWindow.of(cut - window - window / 10, cut, horizon=await read_rollup_state(work))
        samples = await read_samples(work, [each.series_id for each in monitors], span, places=_places(rule, monitors))
    return await asyncio.to_thread(_fill, rule, monitors, samples, cut)


def _fill(
    rule: CompiledRule, monitors: Sequence[JudgedMonitor], samples: Mapping[int, SampleColumns], cut: datetime
) -> dict[UUID, Filling]:
    fillings: dict[UUID, Filling] = {}
    for monitor in monitors:
        windows = Windows.empty(rule.program.shape, awaited_ms=0)
        found = samples.get(monitor.series_id, EMPTY)
        add_samples(windows, monitor.kind, found)
        fillings[monitor.monitor_id] = Filling(windows, cut, first_of(found))
    return fillings


async def fill_up(
    work: UnitOfWork,
    rule: CompiledRule,
    waiting: Sequence[Waiting],
    fillings: Mapping[UUID, Filling],
) -> list[Judgement]:
    """Add what has come since, whose monitors are locked; the judgements with their windows."""
    monitors = [each.monitor for each in waiting]
    if not monitors:
        return []
    cut = min(each.cut for each in fillings.values())
    newer = await read_columns(
        work,
        [each.series_id for each in monitors],
        (cut, waiting[0].stands.now + _EVER),
        places=_places(rule, monitors),
    )
    return [
        _filled(rule, each, fillings[each.monitor.monitor_id], newer.get(each.monitor.series_id, EMPTY))
        for each in waiting
    ]


def _filled(rule: CompiledRule, waiting: Waiting, filling: Filling, newer: SampleColumns) -> Judgement:
    monitor, kept, stands = waiting
    windows = filling.windows
    add_samples(windows, monitor.kind, newer)
    windows.awaited_ms = microseconds_of(stands.heard_at) // 1000
    if windows.newest_ms is None and stands.sampled_at is not None:
        windows.newest_ms = microseconds_of(stands.sampled_at) // 1000
    first = filling.first or first_of(newer) or stands.now
    return judge_filled(rule, monitor, kept, windows, first)


def _places(rule: CompiledRule, monitors: Sequence[JudgedMonitor]) -> list[int]:
    metrics = {spec.metric for spec in rule.program.shape.specs if spec.metric is not None}
    kinds = {monitor.kind for monitor in monitors}
    return sorted({place_of(metric, kind) for metric in metrics for kind in kinds}) or [0]
