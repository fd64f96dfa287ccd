"""Samples for the tests, with as little said as the test is about."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from shared.domain.sample.samples import Sample
from shared.domain.target.outcome import Outcome, Reading
from shared.storage.database import Database, UnitOfWork
from shared.storage.sample.sample_store import SampleStore
from shared.storage.sample.series_store import SeriesDirectory, SeriesEntry

NOON = datetime(2025, 3, 12, 12, tzinfo=UTC)
"""Long ago: the database's own clock must be past whatever the tests let pass."""


def entry(name: str, *, kind: str = "http", **labels: str) -> SeriesEntry:
    """A series found by its name."""
    return SeriesEntry(identity=f"{kind}:{name}".encode().ljust(32, b"."), kind=kind, name=name, labels=labels)


async def make_series(database: Database, *names: str, kind: str = "http", **labels: str) -> list[int]:
    """The ids of new series."""
    return await SeriesDirectory(database).resolve([entry(name, kind=kind, **labels) for name in names])


def sample(series_id: int, at: datetime, duration_ms: float = 10.0, **reading: object) -> Sample:
    """One sample; `outcome`, `metrics`, `code`, `message`, `kind`, `job_id` and `position` may be said."""
    kind, job_id, position = (reading.pop(name, default) for name, default in _SAMPLE_DEFAULTS.items())
    outcome = reading.pop("outcome", Outcome.UP)
    found = Reading(outcome, duration_ms, at, **reading)  # type: ignore[arg-type]
    return Sample(job_id, position, series_id, kind, found)  # type: ignore[arg-type]


_SAMPLE_DEFAULTS: dict[str, object] = {"kind": "http", "job_id": UUID(int=0), "position": 0}


def every(series_id: int, step: timedelta, durations: Sequence[float], *, start: datetime = NOON) -> list[Sample]:
    """Samples at a fixed rate."""
    return [sample(series_id, start + index * step, duration) for index, duration in enumerate(durations)]


async def add_job(work: UnitOfWork) -> UUID:
    """A job for samples to belong to."""
    job_id = uuid4()
    await work.run(
        "insert into jobs (job_id, kind, queue, state, spec, run_at, max_attempts, principal_id)"
        " values ($1, 'collect', 'collect', 'queued', '{}', now(), 3, 'tests')",
        job_id,
    )
    return job_id


async def record(database: Database, samples: Sequence[Sample]) -> None:
    """Write samples as the result of a new job, in one transaction."""
    async with database.transaction() as work:
        job_id = await add_job(work)
        await SampleStore(work).record(
            [Sample(job_id, position, each.series_id, each.kind, each.reading) for position, each in enumerate(samples)]
        )
