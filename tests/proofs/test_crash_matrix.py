"""Kill -9 at each named step of a job's walk, in every weather: each job ends once and is recorded once."""

import asyncio
import signal
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

import pytest
from crashing import submit_and_die, work_and_die
from job_bench import Bench, new_job
from proving import StartVictim, all_ended, hurried_upkeep

from chaos.ground import Ground, Weather
from chaos.ledger import read_records, reckon
from chaos.witness import Witness
from shared.domain.job.jobs import JobKind, NewJob
from shared.domain.job.steps import Step
from shared.services.job.job_submission import Submission
from shared.settings import Settings
from worker.main import serve

KILLED = -signal.SIGKILL


class Place(StrEnum):
    """Where a process dies; at `rung` nobody does, the ring waits in Valkey for the weather."""

    SUBMITTED = "submitted"
    RUNG = "rung"
    TAKEN = "taken"
    CLAIMED = "claimed"
    MID_WORK = "mid_work"
    WORKED = "worked"
    RECORDED = "recorded"


CRASHES = (Place.SUBMITTED, Place.TAKEN, Place.CLAIMED, Place.MID_WORK, Place.WORKED, Place.RECORDED)
TOLD = {
    Place.SUBMITTED: (("succeeded",), 1),
    Place.RUNG: (("succeeded",), 1),
    Place.TAKEN: (("succeeded",), 1),
    Place.CLAIMED: (("lost", "succeeded"), 1),
    Place.MID_WORK: (("lost", "succeeded"), 2),
    Place.WORKED: (("lost", "succeeded"), 2),
    Place.RECORDED: (("succeeded",), 1),
}
"""What a job's attempts tell of a death at each place, and how often its target was visited."""


def path_of(job: NewJob) -> str:
    return f"/{job.job_id}"


class Matrix:
    """Jobs of which each meets its death at another place."""

    def __init__(self, bench: Bench, witness: Witness, settings: Settings, start: StartVictim) -> None:
        self.bench = bench
        self.witness = witness
        self.settings = settings
        self.start = start

    def new_job(self) -> NewJob:
        job = new_job(kind=JobKind.COLLECT)
        url = self.witness.url(path_of(job))
        return new_job(
            job_id=job.job_id,
            kind=JobKind.COLLECT,
            spec=f'{{"targets": [{{"kind": "http", "url": "{url}", "timeout": "60s"}}]}}',
        )

    async def die_at(self, place: Place) -> NewJob:
        """Bring a job to the place and kill the process that has it; nothing else runs meanwhile."""
        job = self.new_job()
        if place is Place.SUBMITTED:
            dying = self.start(place.value, submit_and_die, self.settings, job)
        else:
            await self.bench.submission.submit(Submission(job))
            await self.bench.submission.drain()
            if place is Place.RUNG:
                return job
            if place is Place.MID_WORK:
                self.witness.keep(path_of(job))
            step = None if place is Place.MID_WORK else Step(place.value)
            dying = self.start(place.value, work_and_die, self.settings, step)
        if place is Place.MID_WORK:
            await self.witness.visited(path_of(job))
            dying.signal(signal.SIGKILL)
            self.witness.release(path_of(job))
        assert await asyncio.to_thread(dying.wait) == KILLED, dying.tail()
        return job

    async def die_everywhere(self) -> dict[Place, UUID]:
        jobs = {place: await self.die_at(place) for place in (*CRASHES, Place.RUNG)}
        # What is confirmed as rung is what a wipe makes Valkey forget behind everybody's back.
        await self.bench.repair.relay(older_than=timedelta(0))
        return {place: job.job_id for place, job in jobs.items()}

    def visits(self, jobs: Mapping[Place, UUID]) -> dict[UUID, int]:
        return {job_id: self.witness.visits[f"/{job_id}"] for job_id in jobs.values()}


@pytest.mark.parametrize("weather", Weather)
async def test_a_death_at_any_step_in_any_weather_loses_and_doubles_nothing(
    weather: Weather,
    own_ground: Ground,
    victims_settings: Settings,
    bench: Bench,
    witness: Witness,
    start: StartVictim,
) -> None:
    """Six deaths and one waiting ring, then the weather: the target counts the visits, the attempts tell the truth."""
    matrix = Matrix(bench, witness, victims_settings, start)
    jobs = await matrix.die_everywhere()
    start("survivor", serve, victims_settings)
    await asyncio.to_thread(own_ground.strike, weather)
    async with hurried_upkeep(bench):
        await all_ended(own_ground.urls.database_url)
    visits = matrix.visits(jobs)
    records = {
        id_: record for id_, record in (await read_records(own_ground.urls.database_url)).items() if id_ in visits
    }
    found = reckon(jobs.values(), records, visits)
    assert (found.lost, found.doubled, found.fenced) == ({}, {}, 0)
    assert {place: (records[job_id].outcomes, visits[job_id]) for place, job_id in jobs.items()} == TOLD
    assert {records[job_id].samples for job_id in jobs.values()} == {1}
