"""What rules cost where samples are written: flushes as a worker makes them, by number, kind and window of rules."""

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count, cycle, islice
from uuid import UUID, uuid4

import uvloop

from bench.alert_planting import clear_alerts, duration_at, plant_judgements, replace_rules
from bench.harness import Servers
from bench.planting import plant
from shared.clock import utc_now
from shared.domain.monitor.looks import Round, TakenLook, WatchedMonitor
from shared.domain.monitor.schedules import Schedule
from shared.domain.monitor.slots import Visit
from shared.domain.sample.segments import HOUR, floor_to
from shared.domain.target.kinds import METRICS
from shared.domain.target.outcome import Outcome, Reading
from shared.storage.database import Database, create_engine
from shared.storage.judging.alert_judge import AlertJudge
from shared.storage.judging.rule_book import RuleBook
from shared.storage.monitor.look_store import LookStore
from worker.main import tune_garbage_collection

INTERVAL = timedelta(seconds=10)
FLUSH = 100
"""What comes together at a thousand looks a second."""
_WINDOWED = ("p95(duration_ms, {0}) > 9000", "uptime({0}) < 10", "mean(duration_ms, {0}) > 9000")
_ON_STATE = ("state == down", "state == degraded")


def _rules(texts: Sequence[str], window: str, many: int) -> tuple[str, ...]:
    return tuple(text.format(window) for text in islice(cycle(texts), many))


RULE_SETS: Mapping[str, Sequence[str]] = {
    "no rule": (),
    **{f"{many} on the state": _rules(_ON_STATE, "", many) for many in (1, 5, 20)},
    **{
        f"{many} over {window}, percentiles, uptimes and means in turn": _rules(_WINDOWED, window, many)
        for window in ("5m", "1h")
        for many in (1, 5, 20)
        if many > 1
    },
    **{text.format(window): _rules((text,), window, 1) for text in _WINDOWED for window in ("5m", "1h", "6h")},
}
NO_RULE = "no rule"


@dataclass(frozen=True)
class Cost:
    """Microseconds of CPU a sample, of the process that writes and of PostgreSQL, and of the clock."""

    worker_us: float
    servers_us: float
    wall_us: float


def costs(servers: Servers, *, samples: int, rounds: int, monitors: int) -> dict[str, list[Cost]]:
    """Each set of rules in turn, round by round; the same number of samples each time."""
    clear_alerts(servers)
    ids = plant(servers, [{"kind": "http", "url": "http://127.0.0.1/"}] * monitors, interval=INTERVAL)
    return uvloop.run(_measure(servers, ids, samples, rounds))


async def _measure(servers: Servers, ids: Sequence[UUID], samples: int, rounds: int) -> dict[str, list[Cost]]:
    tune_garbage_collection()
    database = Database(create_engine(servers.database_url, pool_size=2, name="bench"))
    try:
        site = _Site(servers, database, await _watched(database, ids), await _leased(database))
        found: dict[str, list[Cost]] = {name: [] for name in RULE_SETS}
        for _ in range(rounds):
            for name, expressions in RULE_SETS.items():
                found[name].append(await site.measure(expressions, samples))
        return found
    finally:
        await database.close()


class _Site:
    """Monitors that are looked at slot by slot, ever later, whatever the clock says."""

    def __init__(self, servers: Servers, database: Database, monitors: Sequence[WatchedMonitor], leased: Round) -> None:
        self._servers = servers
        self._database = database
        self._monitors = monitors
        self._leased = leased
        self._slots = self._next_slots()
        self._draw = random.Random(5)

    async def measure(self, expressions: Sequence[str], samples: int) -> Cost:
        rules = await replace_rules(self._database, expressions)
        ids = [monitor.monitor_id for monitor in self._monitors]
        await plant_judgements(self._database, rules, ids, until=next(self._slots), every=INTERVAL)
        book = RuleBook()
        # The book reads monitors once, and PostgreSQL makes its plans.
        await self._write(self._flushes(len(self._monitors)), book)
        flushes = self._flushes(samples)
        cpu, servers, started = time.process_time(), self._servers.cpu_seconds, time.perf_counter()
        await self._write(flushes, book)
        worker, wall = time.process_time() - cpu, time.perf_counter() - started
        each = 1e6 / samples
        return Cost(worker * each, (self._servers.cpu_seconds - servers) * each, wall * each)

    async def _write(self, flushes: Sequence[Sequence[TakenLook]], book: RuleBook) -> None:
        for looks in flushes:
            async with self._database.writing() as work:
                await LookStore(work, AlertJudge(work, book)).record(looks)

    def _flushes(self, samples: int) -> list[list[TakenLook]]:
        """Looks at all monitors, then at all at the next slot; all that a flush has is of one slot."""
        looks: list[TakenLook] = []
        while len(looks) < samples:
            slot = next(self._slots)
            looks += [self._look(monitor, slot) for monitor in self._monitors]
        return [looks[first : first + FLUSH] for first in range(0, samples, FLUSH)]

    def _look(self, monitor: WatchedMonitor, slot: datetime) -> TakenLook:
        draw = self._draw
        metrics = {name: round(draw.random() * 100, 3) for name in METRICS["http"]}
        reading = Reading(Outcome.UP, duration_at(draw), slot, metrics)
        return TakenLook(self._leased, monitor, Visit(monitor.monitor_id, 1, slot), reading, slot + INTERVAL)

    def _next_slots(self) -> Iterator[datetime]:
        start = floor_to(utc_now(), HOUR)
        return (start + number * INTERVAL for number in count())


async def _watched(database: Database, ids: Sequence[UUID]) -> list[WatchedMonitor]:
    async with database.transaction() as work:
        rows = await work.fetch(
            "select monitor_id, series_id from monitors where monitor_id = any($1::uuid[]) order by 1", list(ids)
        )
    schedule = Schedule(interval=INTERVAL)
    return [WatchedMonitor(row.monitor_id, 1, "", "http", row.series_id, schedule, 0, INTERVAL, False) for row in rows]


async def _leased(database: Database) -> Round:
    """A job that runs, whose lease nobody ends."""
    leased = Round(uuid4(), uuid4())
    async with database.transaction() as work:
        await work.run(
            "insert into jobs (job_id, kind, queue, state, spec, run_at, max_attempts, principal_id, lease_token)"
            " values ($1, 'round', 'round', 'running', '{}', now(), 3, 'bench', $2)",
            leased.job_id,
            leased.lease_token,
        )
    return leased
