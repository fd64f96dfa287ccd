"""Tests a rule over what is stored: what would have fired, when and how long. Nothing is written."""

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import count
from uuid import UUID

from shared.domain.judging.backtest import History, PastAlert, alerts_of, judge_history, places_of, warm_up_of
from shared.domain.judging.judgements import CompiledRule, JudgedMonitor
from shared.domain.monitor.standing import StateChange
from shared.domain.rule.rules import Rule
from shared.domain.sample.answering import Limits
from shared.domain.sample.sample_columns import EMPTY, SampleColumns
from shared.domain.sample.statistics import StatsTimeoutError
from shared.storage.database import Database, UnitOfWork
from shared.storage.judging.backtest_store import BacktestStore, SelectedMonitors
from shared.storage.sample.rollup_state import read_rollup_state
from shared.storage.sample.sample_reading import SampleWindow, coherent_reading, is_within, read_samples

MAX_MONITORS = 1_000
MAX_CHANGES = 200_000
LIMITS = Limits(rows=200_000, chunks=10_000, samples=200_000)
"""What one test reads: some six seconds of judging, at 30 µs a sample."""
READ_PATIENCE = timedelta(seconds=10)
JUDGE_SECONDS = 45


class TooMuch(StrEnum):
    """Of what there is more than one test may read."""

    MONITORS = "monitors"
    SAMPLES = "samples"
    CHANGES = "changes"


class BusyError(Exception):
    """Another test runs in this process."""


@dataclass(frozen=True, slots=True)
class MonitorBacktest:
    """What would have become of one monitor."""

    monitor: JudgedMonitor
    alerts: Sequence[PastAlert]


@dataclass(frozen=True, slots=True)
class BacktestResult:
    """What would have become of all monitors from `start` to `end`; `known_from` is from when on samples are kept."""

    start: datetime
    end: datetime
    known_from: datetime
    samples: int
    monitors: Sequence[MonitorBacktest]


@dataclass(frozen=True, slots=True)
class _Read:
    selected: SelectedMonitors
    known_from: datetime
    samples: Mapping[int, SampleColumns]
    changes: Mapping[UUID, Sequence[StateChange]]


class _StoppedError(Exception):
    """Nobody waits for the answer any more."""


class Backtesting:
    """Tests rules, one at a time in a process: each keeps a core busy."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._slot = asyncio.Semaphore(1)

    async def run(self, rule: Rule, start: datetime, end: datetime) -> BacktestResult | TooMuch:
        """Judge all monitors that the rule selects from `start` to `end`, as if it had been made at the start.

        Raises:
            BusyError: another test runs.
            StatsTimeoutError: reading or judging took too long.
        """
        if self._slot.locked():
            raise BusyError
        async with self._slot:
            compiled = CompiledRule.of(rule)
            async with coherent_reading(self._database, patience=READ_PATIENCE) as work:
                read = await _read(work, compiled, start, end)
            return read if isinstance(read, TooMuch) else await _judge_all(compiled, read, start, end)


async def _read(work: UnitOfWork, rule: CompiledRule, start: datetime, end: datetime) -> _Read | TooMuch:
    store = BacktestStore(work)
    selected = await store.select(rule, limit=MAX_MONITORS + 1)
    monitors = selected.monitors
    if len(monitors) > MAX_MONITORS:
        return TooMuch.MONITORS
    changes = await store.list_changes([monitor.monitor_id for monitor in monitors], start, end, limit=MAX_CHANGES + 1)
    if sum(map(len, changes.values())) > MAX_CHANGES:
        return TooMuch.CHANGES
    warm_up = max((warm_up_of(rule, monitor, start) for monitor in monitors), default=timedelta(0))
    window = SampleWindow.of(start - warm_up, end, horizon=await read_rollup_state(work))
    if rule.program.is_of_state or window.start >= window.end:
        return _Read(selected, window.start, {}, changes)
    series = [monitor.series_id for monitor in monitors]
    if not await is_within(work, series, window, LIMITS):
        return TooMuch.SAMPLES
    places = sorted({place for kind in {monitor.kind for monitor in monitors} for place in places_of(rule, kind)})
    samples = await read_samples(work, series, window, places=places or [0])
    return _Read(selected, window.start, samples, changes)


async def _judge_all(rule: CompiledRule, read: _Read, start: datetime, end: datetime) -> BacktestResult:
    """Judge in a thread, which ends soon after nobody waits for it any more."""
    stop = threading.Event()

    def between() -> None:
        if stop.is_set():
            raise _StoppedError

    def judge() -> list[MonitorBacktest]:
        return [
            MonitorBacktest(monitor, _judge(rule, monitor, _history_of(read, monitor, start, end), between))
            for monitor in read.selected.monitors
        ]

    try:
        async with asyncio.timeout(JUDGE_SECONDS):
            judged = await asyncio.to_thread(judge)
    except TimeoutError:
        raise StatsTimeoutError("judging took too long; ask for a shorter time or fewer monitors") from None
    finally:
        stop.set()
    return BacktestResult(start, end, read.known_from, sum(map(len, read.samples.values())), judged)


def _history_of(read: _Read, monitor: JudgedMonitor, start: datetime, end: datetime) -> History:
    """What is known of a monitor; of one that was made later, from then on."""
    created_at = read.selected.created_at[monitor.monitor_id]
    return History(
        start=max(start, created_at),
        end=end,
        known_from=max(read.known_from, created_at),
        samples=read.samples.get(monitor.series_id, EMPTY),
        changes=read.changes.get(monitor.monitor_id, ()),
    )


def _judge(
    rule: CompiledRule, monitor: JudgedMonitor, history: History, between: Callable[[], None]
) -> list[PastAlert]:
    between()
    if history.start >= history.end:
        return []
    numbers = count(1)
    changes = judge_history(rule, monitor, history, new_id=lambda: UUID(int=next(numbers)), between=between)
    return alerts_of(changes)
