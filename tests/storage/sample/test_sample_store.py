"""Samples are written once each, with their state and their job, whatever is in the way."""

import asyncio
import math
from datetime import timedelta

import pytest
from sample_data import NOON, add_job, every, make_series, record, sample

from shared.domain.target.outcome import Outcome
from shared.storage.database import Database
from shared.storage.sample.sample_store import SampleStore

MS = timedelta(milliseconds=1)


async def rows_of(database: Database, query: str) -> list[tuple[object, ...]]:
    async with database.transaction() as work:
        return [tuple(row) for row in await work.fetch(query)]


async def test_a_sample_is_kept_with_its_metrics(database: Database) -> None:
    """Numbers come back as they went in; absent ones stay absent, and so does what is not a number."""
    (series_id,) = await make_series(database, "https://shop.example")
    metrics = {"status": 200, "size_bytes": 2**40 + 1.0, "tls_ms": math.nan, "tries": 1}
    async with database.transaction() as work:
        job_id = await add_job(work)
        store = SampleStore(work)
        await store.record([sample(series_id, NOON, 12.345, metrics=metrics, job_id=job_id)])
        (found,) = await store.list_for_job(job_id, limit=10)
    assert (found.target, found.outcome, found.duration_ms) == ("https://shop.example", Outcome.UP, 12.345)
    assert found.metrics == {"status": 200, "size_bytes": 2**40 + 1.0, "tries": 1}
    assert found.collected_at == NOON


async def test_distinct_readings_in_one_millisecond_are_all_kept(database: Database) -> None:
    """Within one batch and between batches, they move to the next free milliseconds."""
    (series_id,) = await make_series(database, "a")
    await record(database, [sample(series_id, NOON, 1), sample(series_id, NOON, 2), sample(series_id, NOON + MS, 3)])
    await record(database, [sample(series_id, NOON + MS, 4), sample(series_id, NOON + 9 * MS, 5)])
    kept = await rows_of(database, "select value, ts from sample order by ts")
    assert [(value, (ts - NOON) / MS) for value, ts in kept] == [(1, 0), (2, 1), (3, 2), (4, 3), (5, 9)]
    pointed = await rows_of(database, "select count(*) from job_samples join sample using (series_id, ts)")
    assert pointed == [(5,)]


async def test_writers_of_the_same_millisecond_at_once_lose_nothing(database: Database) -> None:
    """Each of eight transactions has a reading of the same three series at the same time."""
    ids = await make_series(database, "a", "b", "c")
    batches = [[sample(series_id, NOON, float(writer)) for series_id in ids] for writer in range(8)]
    await asyncio.gather(*(record(database, batch) for batch in batches))
    counts = await rows_of(database, "select series_id, count(distinct value) from sample group by 1 order by 1")
    assert counts == [(series_id, 8) for series_id in sorted(ids)]


async def test_a_rolled_back_transaction_leaves_no_sample(database: Database) -> None:
    """COPY is part of the unit of work, although it goes past SQLAlchemy."""
    (series_id,) = await make_series(database, "a")

    async def record_and_fail() -> None:
        async with database.transaction() as work:
            job_id = await add_job(work)
            await SampleStore(work).record([sample(series_id, NOON, job_id=job_id)])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await record_and_fail()
    assert await rows_of(database, "select * from sample") == []
    assert await rows_of(database, "select * from series_current") == []


async def test_a_missing_partition_is_made_by_the_writer(database: Database) -> None:
    """Upkeep makes them ahead; should it not have run, samples are kept all the same, also by two at once."""
    (series_id,) = await make_series(database, "a")
    days = [NOON + timedelta(days=day) for day in (100, 101)]
    await asyncio.gather(*(record(database, [sample(series_id, day) for day in days]) for _ in range(2)))
    assert await rows_of(database, "select count(*) from sample") == [(4,)]


async def test_the_current_state_is_the_newest_sample(database: Database) -> None:
    """A late one does not overwrite it."""
    (series_id,) = await make_series(database, "a")
    await record(database, [sample(series_id, NOON, 1), sample(series_id, NOON + 5 * MS, 2, outcome=Outcome.DOWN)])
    await record(database, [sample(series_id, NOON + 2 * MS, 3)])
    state = await rows_of(database, "select ts, value, outcome from series_current")
    assert state == [(NOON + 5 * MS, 2.0, Outcome.DOWN.code)]


@pytest.mark.parametrize(
    ("batches", "since"),
    [
        (["uu", "u"], 0),
        (["uu", "d"], 2),
        (["ud", "d"], 1),
        (["u", "du"], 2),
        (["d", "ud", "dd"], 2),
        (["u", "udu"], 3),
    ],
)
async def test_since_is_when_the_present_outcome_began(database: Database, batches: list[str], since: int) -> None:
    """Also when the outcome changed and came back within one batch."""
    (series_id,) = await make_series(database, "a")
    outcomes = {"u": Outcome.UP, "d": Outcome.DOWN}
    second = 0
    for batch in batches:
        samples = []
        for letter in batch:
            samples.append(sample(series_id, NOON + timedelta(seconds=second), outcome=outcomes[letter]))
            second += 1
        await record(database, samples)
    assert await rows_of(database, "select since from series_current") == [(NOON + timedelta(seconds=since),)]


async def test_writers_of_many_series_do_not_deadlock(database: Database) -> None:
    """They name the same series in opposite order, some with changing outcomes."""
    ids = await make_series(database, *(f"s{number}" for number in range(40)))

    def batch(order: int, second: int) -> list[object]:
        changes = [Outcome.UP, Outcome.DOWN] if order > 0 else [Outcome.UP, Outcome.UP]
        return [
            sample(series_id, NOON + timedelta(seconds=second, milliseconds=index), outcome=outcome)
            for series_id in ids[::order]
            for index, outcome in enumerate(changes if series_id % 2 else reversed(changes))
        ]

    await asyncio.gather(*(record(database, batch(1 if n % 2 else -1, n)) for n in range(8)))  # type: ignore[arg-type]
    assert await rows_of(database, "select count(*) from sample") == [(8 * 40 * 2,)]


async def test_a_job_lists_its_samples_in_pages(database: Database) -> None:
    """In the order of its targets, from behind a position, with what was said of each."""
    ids = await make_series(database, "a", "b", "c")
    async with database.transaction() as work:
        job_id = await add_job(work)
        store = SampleStore(work)
        await store.record(
            [
                sample(ids[0], NOON, job_id=job_id, position=0),
                sample(
                    ids[1], NOON, job_id=job_id, position=1, outcome=Outcome.DOWN, code="timeout", message="no\0 answer"
                ),
                sample(ids[2], NOON, job_id=job_id, position=2),
            ]
        )
        page = await store.list_for_job(job_id, 0, limit=1)
        rest = await store.list_for_job(job_id, 1, limit=5)
    assert [(each.position, each.target, each.code, each.message) for each in page] == [
        (1, "b", "timeout", "no answer")
    ]
    assert [each.position for each in rest] == [2]


async def test_what_is_older_than_kept_is_told_by_the_job_only(database: Database) -> None:
    """Its day has been dropped; a sample there would make its roll-up forget the others."""
    (series_id,) = await make_series(database, "a")
    await record(database, every(series_id, MS, [1.0]))
    async with database.transaction() as work:
        await work.run("update rollup_state set samples_from = $1", NOON + timedelta(days=1))
        job_id = await add_job(work)
        store = SampleStore(work)
        await store.record([sample(series_id, NOON + MS, 7, job_id=job_id, outcome=Outcome.DEGRADED)])
        (found,) = await store.list_for_job(job_id, limit=1)
    assert (found.outcome, found.duration_ms, found.metrics) == (Outcome.DEGRADED, 7, {})
    assert await rows_of(database, "select value from sample") == [(1.0,)]


async def test_recording_nothing_writes_nothing(database: Database) -> None:
    """A job may end without a sample."""
    async with database.transaction() as work:
        await SampleStore(work).record([])
    assert await rows_of(database, "select * from rollup_state") == []
