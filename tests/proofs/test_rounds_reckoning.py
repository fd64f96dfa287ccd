"""How monitors stand, reckoned anew from what was stored: their looks taken by several workers, in any disorder."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from itertools import islice
from random import Random
from typing import Any
from uuid import UUID

import pytest
from job_bench import Bench, ring_of
from redis.asyncio import Redis
from round_site import RoundSite, add_monitor, slot_now

from shared.domain.job.jobs import AttemptOutcome
from shared.domain.monitor.schedules import Schedule, phase_of
from shared.domain.monitor.slots import Visit
from shared.domain.monitor.standing import STATE_OF_CODE, Look, MonitorState, Standing, StateChange, fold
from shared.domain.target.observation import Blame, Fault, Observation
from shared.domain.target.outcome import OUTCOME_OF_CODE
from shared.storage.database import Database

MINUTE = timedelta(minutes=1)
MONITORS, SLOTS = 6, 20


class Fickle:
    """A collector that finds something else each time, after a wait that makes rounds overtake each other."""

    def __init__(self, random: Random) -> None:
        self._random = random

    async def collect(self, target: Any) -> Observation:
        await asyncio.sleep(self._random.random() * 0.02)
        return self._random.choice(
            (
                Observation(1.0, {"EXISTS": True, "SIZE": 7.0}),
                Observation(1.0, {"EXISTS": True, "SIZE": 7.0}),
                Observation(1.0, {"EXISTS": True, "SIZE": 700.0}),
                Observation(1.0, {"EXISTS": False}, {}, Fault("missing", "gone")),
                Observation(1.0, fault=Fault("internal", "ours", Blame.OURS)),
            )
        )

    async def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
async def bench(database: Database, redis: Redis) -> AsyncIterator[Bench]:
    bench = Bench(database, redis)
    yield bench
    await bench.submission.drain()
    await bench.events.drain()


def schedule_of(monitor_id: UUID) -> Schedule:
    return Schedule(interval=MINUTE, phase=phase_of(monitor_id, MINUTE))


def slots_of(monitor_id: UUID, begin: datetime, *, leaving_out: int) -> list[datetime]:
    """The schedule's slots, all of them past, without one that was missed."""
    slots = list(islice(schedule_of(monitor_id).slots(schedule_of(monitor_id).next_after(begin), slot_now()), SLOTS))
    return [slot for number, slot in enumerate(slots) if number != leaving_out]


async def reckon(site: RoundSite, monitor_id: UUID, begin: datetime) -> tuple[Standing, list[StateChange]]:
    """Fold the stored samples in the order of their slots."""
    rows = await site.rows(
        """
        select p.ts, p.outcome, n.code, n.message from sample p join monitors m using (series_id)
        left join sample_note n on n.series_id = p.series_id and n.ts = p.ts
        where m.monitor_id = $1 order by p.ts
        """,
        monitor_id,
    )
    standing, changes = Standing(MonitorState.PENDING, begin), [StateChange(begin, MonitorState.PENDING)]
    for ts, outcome, code, message in rows:
        look = Look(ts, OUTCOME_OF_CODE[outcome], schedule_of(monitor_id).next_after(ts), code, message)
        folded = fold(standing, look, confirmations=0)
        standing, changes = folded.standing, [*changes, *folded.changes]
    return standing, changes


@pytest.mark.parametrize("seed", [1, 2])
async def test_states_are_what_the_stored_samples_make_of_them(
    bench: Bench, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each slot is in two or three rounds, and as many workers run them at once; one slot of each monitor is missed."""
    monkeypatch.setattr("shared.services.monitor.round_work.LEAST_PATIENCE", 24 * 60 * MINUTE)
    random = Random(seed)
    site = RoundSite(bench, {"file": Fickle(random)})
    begin = slot_now(-(SLOTS + 2) * 60)
    target = {"kind": "file", "path": "/a", "degraded_conditions": ["[SIZE] < 100"]}
    ids = [await add_monitor(bench.database, target, interval=MINUTE, since=begin) for _ in range(MONITORS)]
    slots = {each: slots_of(each, begin, leaving_out=random.randrange(1, SLOTS)) for each in ids}
    workers = [site.worker(f"worker-{number}")[0] for number in range(3)]
    for turn in range(SLOTS - 1):
        batches = [random.sample(ids, count) for count in (MONITORS, MONITORS // 2, MONITORS)]
        jobs = [await site.submitted([Visit(each, 1, slots[each][turn]) for each in batch]) for batch in batches]
        ran = await asyncio.gather(*(worker.run(ring_of(job)) for worker, job in zip(workers, jobs, strict=True)))
        assert set(ran) == {AttemptOutcome.SUCCEEDED}
    assert await site.sampled() == {(each, slot): 1 for each in ids for slot in slots[each]}
    for each in ids:
        standing, changes = await reckon(site, each, begin)
        spans = await site.rows(
            "select started_at, state, code, message from state_spans where monitor_id = $1 order by 1", each
        )
        assert [StateChange(row[0], STATE_OF_CODE[row[1]], row[2], row[3]) for row in spans] == changes
        ((state, since, covered_until, code),) = await site.rows(
            "select state, since, covered_until, code from monitor_states where monitor_id = $1", each
        )
        assert (STATE_OF_CODE[state], since, covered_until, code) == (
            standing.state,
            standing.since,
            standing.covered_until,
            standing.code,
        )
