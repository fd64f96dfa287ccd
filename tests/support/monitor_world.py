"""Monitors, their schedule and any number of workers in one process, on a database whose clock is turned."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from job_bench import Bench
from quiet_alerting import quiet_alerting
from redis.asyncio import Redis
from round_site import RoundSite
from schedule_bench import Silence
from turned_clock import TurnedClock, open_turned

from shared.domain.job.jobs import Ring
from shared.domain.monitor.scheduling import HORIZON
from shared.domain.monitor.standing import STATE_OF_CODE, MonitorState
from shared.domain.target.observation import Observation
from shared.services.job.job_execution import JobExecution
from shared.services.judging.rule_sweep import RuleSweep
from shared.services.monitor.round_upkeep import RoundUpkeep
from shared.services.monitor.scheduling import Scheduling
from shared.storage.tables import metadata

Finds = Callable[[str, datetime], Observation]
"""What a look at a path finds at a moment of the database's clock."""


class MonitorWorld:
    """Everything between a due monitor and its state. Nothing happens but in `pass_to`."""

    def __init__(self, bench: Bench, clock: TurnedClock, finds: Finds, *, workers: int, seed: int) -> None:
        self.bench = bench
        self.database = bench.database
        self.now = datetime.min.replace(tzinfo=UTC)
        self.site = RoundSite(bench, {"file": _Finding(self, finds)})
        self._clock = clock
        self._random = random.Random(seed)
        self._schedulers = [Scheduling(self.database, Silence()) for _ in range(workers)]
        # Each has a rule book of its own, as processes have.
        sites = [replace(self.site, alerting=quiet_alerting()) for _ in range(workers)]
        self._workers: list[JobExecution] = [site.worker(f"worker-{number}")[0] for number, site in enumerate(sites)]
        self._sweeps = [RuleSweep(self.database, site.alerting) for site in sites]
        self._upkeep = RoundUpkeep(self.database)

    async def turn(self, moment: datetime) -> None:
        """Let it be that time; what passed meanwhile nobody saw."""
        await self._clock.turn(moment)
        self.now = moment

    async def pass_to(self, moment: datetime) -> int:
        """Let all workers do what is due until then, at once; how many rounds were run.

        It is scheduled a moment ahead, as ever, and nobody has to wait for its slot.
        """
        await self.turn(moment - HORIZON)
        await asyncio.gather(*(scheduler.run() for scheduler in self._schedulers))
        await self.turn(moment)
        rings = await self._rings()
        self._random.shuffle(rings)
        await asyncio.gather(*(self._random.choice(self._workers).run(ring) for ring in rings))
        await self._upkeep.settle()
        return len(rings)

    async def pass_judging_to(self, moment: datetime) -> int:
        """The same, while all workers sweep the rules too; how much was swept."""
        sweeping = asyncio.gather(self.pass_to(moment), *(sweep.run() for sweep in self._sweeps))
        return sum((await sweeping)[1:])

    async def anchor(self) -> None:
        """Set right what a clock that was set back left behind."""
        await self._upkeep.anchor()

    async def spans(self) -> dict[UUID, list[tuple[datetime, MonitorState, str | None]]]:
        """The status timelines."""
        told: dict[UUID, list[tuple[datetime, MonitorState, str | None]]] = {}
        for monitor_id, *span in await self.rows(
            "select monitor_id, started_at, state, code from state_spans order by monitor_id, started_at"
        ):
            told.setdefault(monitor_id, []).append((span[0], STATE_OF_CODE[span[1]], span[2]))
        return told

    async def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """What a query answers."""
        return await self.site.rows(query, *parameters)

    async def _rings(self) -> list[Ring]:
        rows = await self.rows("select job_id, dispatch_no, queue from jobs where kind = 'round' and state = 'queued'")
        return [Ring(*row) for row in rows]


class _Finding:
    """A collector that finds what the world's time has for the path."""

    def __init__(self, world: MonitorWorld, finds: Finds) -> None:
        self._world = world
        self._finds = finds

    async def collect(self, target: Any) -> Observation:
        await asyncio.sleep(0)
        return self._finds(target.path, self._world.now)

    async def close(self) -> None:
        """Nothing is open."""


@asynccontextmanager
async def monitor_world(
    database_url: str, redis: Redis, finds: Finds, *, workers: int = 1, seed: int = 0
) -> AsyncIterator[MonitorWorld]:
    """A world of its own that begins without any monitor, over a database that nobody else uses meanwhile."""
    database = await open_turned(database_url)
    async with database.transaction() as work:
        await work.run(f"truncate {', '.join(table.name for table in metadata.sorted_tables)} restart identity cascade")
    bench = Bench(database, redis)
    yield MonitorWorld(bench, TurnedClock(database), finds, workers=workers, seed=seed)
    await bench.submission.drain()
    await bench.events.drain()
    await database.close()
