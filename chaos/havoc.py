"""One run: jobs are submitted, blows fall, the dead are replaced, then all is quiet and everything is counted."""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from chaos.alert_ledger import AlertReckoning
from chaos.alert_world import AlertWorld
from chaos.alerting import Alerting
from chaos.fleet import Fleet
from chaos.ground import Ground, Weather, ground
from chaos.ledger import Reckoning, count_live, read_records, reckon
from chaos.plan import Blow, PlannedBlow, plan
from chaos.slots import SlotReckoning
from chaos.submitting import Submitter
from chaos.watching import Watching
from chaos.witness import Witness

WORKERS = 4
LEASE_SECONDS = 3.0
STOP_SECONDS = 2 * LEASE_SECONDS
ANSWER_SECONDS = 0.6
"""The most a target takes to answer."""
LOOK_SECONDS = 0.5
CALM_SHARE = 20
"""Blows end when but this part of the jobs is left, so that a run comes to its end."""


@dataclass(frozen=True, slots=True)
class Run:
    """How a run went."""

    reckoning: Reckoning
    slots: SlotReckoning
    """Of the monitors that were watched beside the jobs."""
    alerts: AlertReckoning | None
    """Of the monitors that flapped, if there were any."""
    blows: Counter[Blow]
    repeats: int
    forged: int
    seconds: float
    is_late: bool
    """The time was up before the last job had ended."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a Tocsin has to do meanwhile: `rate` jobs a second are submitted, `monitors` looked at each second.

    So many `alerts` are monitors beside them, whose targets flap.
    """

    jobs: int
    rate: float
    monitors: int = 0
    alerts: int = 0


async def wreak_havoc(load: Load, *, seed: int, seconds: float, stall_seconds: float = 30.0) -> Run:
    """Run it whole, with servers of its own.

    `seconds` bounds the time from the first submission to the last end, `stall_seconds` is how long a database stands
    still.
    """
    async with (
        servers() as own,
        Witness(most_seconds=ANSWER_SECONDS).serve() as witness,
        AlertWorld(own.directory / "told.jsonl", seed=seed).serve() as world,
    ):
        fleet = Fleet(own, workers=WORKERS, lease_seconds=LEASE_SECONDS)
        try:
            submitter = Submitter(witness, jobs=load.jobs, rate=load.rate, url=fleet.url)
            watching = Watching(own.urls.database_url, fleet, witness, monitors=load.monitors)
            await watching.begin()
            alerting = Alerting(own, fleet, world, monitors=load.alerts, seed=seed)
            await alerting.begin()
            meddling = asyncio.create_task(alerting.meddle())
            havoc = Havoc(own, fleet, submitter, seed=seed, stall_seconds=stall_seconds)
            started_at = time.monotonic()
            is_late = not await havoc.run(seconds)
            took_seconds = time.monotonic() - started_at
            meddling.cancel()
            alert_reckoning = await alerting.reckon()
            slots = await watching.reckon()
        finally:
            await asyncio.to_thread(fleet.end)
        forged = witness.forged + world.forged
        return Run(
            await havoc.count(), slots, alert_reckoning, havoc.blows, submitter.repeats, forged, took_seconds, is_late
        )


@asynccontextmanager
async def servers() -> AsyncIterator[Ground]:
    """Run servers of one's own for the block, started and stopped beside the event loop."""
    manager = ground()
    own = await asyncio.to_thread(manager.__enter__)
    try:
        yield own
    finally:
        await asyncio.to_thread(manager.__exit__, None, None, None)


class Havoc:
    """Jobs going through a fleet that is struck all the while."""

    def __init__(self, own: Ground, fleet: Fleet, submitter: Submitter, *, seed: int, stall_seconds: float) -> None:
        self.blows: Counter[Blow] = Counter()
        # A short run on a fast machine would otherwise be over before every kind of blow has fallen.
        self._met_all = asyncio.Event()
        self._ground = own
        self._fleet = fleet
        self._submitter = submitter
        self._seed = seed
        self._stall_seconds = stall_seconds

    async def run(self, seconds: float) -> bool:
        """Let it happen; False when the time was up before the last job had ended."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._let_it_happen()
                return True
        return False

    async def count(self) -> Reckoning:
        """Hold what was accepted, what is recorded and who came against each other."""
        records = await read_records(self._ground.urls.database_url)
        return reckon(set(self._submitter.accepted.values()), records, self._submitter.visits())

    async def _let_it_happen(self) -> None:
        striking = asyncio.create_task(self._strike())
        try:
            await self._submitter.submit_all()
            await self._met_all.wait()
            await self._until_live(self._submitter.jobs // CALM_SHARE)
        finally:
            striking.cancel()
            await asyncio.gather(striking, return_exceptions=True)
        await self._fleet.wake_all()
        await self._until_live(0)

    async def _until_live(self, count: int) -> None:
        """Wait until no more than `count` jobs are alive, replacing whoever dies meanwhile."""
        while True:
            self._fleet.revive()
            # A database that is down is asked again.
            with suppress(Exception):
                if await count_live(self._ground.urls.database_url) <= count:
                    return
            await asyncio.sleep(LOOK_SECONDS)

    async def _strike(self) -> None:
        for planned in plan(self._seed, workers=WORKERS):
            await asyncio.sleep(planned.pause_seconds)
            self._fleet.revive()
            await self._deal(planned)
            self.blows[planned.blow] += 1
            if self.blows.keys() == set(Blow):
                self._met_all.set()

    async def _deal(self, planned: PlannedBlow) -> None:
        worker = self._fleet.workers[planned.worker]
        match planned.blow:
            case Blow.KILL_WORKER:
                worker.signal(signal.SIGKILL)
            case Blow.TERMINATE_WORKER:
                worker.signal(signal.SIGTERM)
            case Blow.STOP_WORKER:
                self._fleet.stop_for(worker, STOP_SECONDS)
            case Blow.KILL_API:
                self._fleet.api.signal(signal.SIGKILL)
            case Blow.FLUSHALL | Blow.VALKEY_RESTART | Blow.POSTGRES_RESTART:
                await _whole(asyncio.to_thread(self._ground.strike, Weather(planned.blow.value)))
            case Blow.POSTGRES_STALL:
                await _whole(asyncio.to_thread(self._ground.stall_postgres, self._stall_seconds))


async def _whole(striking: Coroutine[None, None, None]) -> None:
    """Wait for a thread even when cancelled: servers that are half started are of no use to whoever counts."""
    task = asyncio.ensure_future(striking)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise
