"""Closed days become chunks that hold exactly what the rows held, whatever comes late, at once, or breaks off."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from rollup_model import expected_rollups, kept_rollups, set_watermark, stored_rows
from sample_data import NOON, add_job, every, make_series, record, sample

from shared.domain.sample.chunk_codec import ChunkError
from shared.domain.sample.samples import Sample
from shared.domain.sample.segments import DAY, HOUR
from shared.domain.target.outcome import Outcome
from shared.services.sample.compaction import Compaction, CompactionError
from shared.services.sample.rollups import Rollups
from shared.storage.database import Database, create_engine
from shared.storage.sample.compaction_store import CompactionStore
from shared.storage.sample.partition_store import PartitionStore
from shared.storage.sample.partitions import CHUNKS, SAMPLES
from shared.storage.sample.rollup_state import read_rollup_state
from shared.storage.sample.sample_store import SampleStore

MINUTE = timedelta(minutes=1)
NOW = NOON + 3 * DAY
"""Three days later: the day of NOON and the next one are to be packed, two are hot."""


@pytest.fixture
async def fresh(fresh_database_url: str) -> AsyncIterator[Database]:
    """A database of the test's own, whose watermark stands at NOON."""
    database = Database(create_engine(fresh_database_url, pool_size=8, name="tests"))
    await set_watermark(database, NOON)
    yield database
    await database.close()


async def roll_up(database: Database) -> None:
    while (await Rollups(database).advance(NOW)).moved:
        pass


async def pack(database: Database, **options: int) -> int:
    """Pack all there is; how many samples that were."""
    done = 0
    while (report := await Compaction(database, hot_days=2, **options).advance(NOW)).moved:
        done += report.samples
    return done


async def attached(database: Database) -> list[str]:
    async with database.transaction() as work:
        return await PartitionStore(work).list_attached(SAMPLES)


async def fill(database: Database, series: int = 5) -> list[int]:
    """Three days of some series every ten minutes, with metrics now and then."""
    draw = random.Random(3)
    ids = await make_series(database, *(f"s{number}" for number in range(series)))
    for series_id in ids:
        await record(
            database,
            [
                sample(
                    series_id,
                    NOON + step * 10 * MINUTE + timedelta(milliseconds=series_id),
                    round(draw.lognormvariate(3, 1), 3),
                    outcome=draw.choices(list(Outcome), [90, 5, 4, 1])[0],
                    metrics=draw.choice([{}, {"status": 200.0, "lag_ms": draw.random()}, {"first_byte_ms": 7.25}]),
                )
                for step in range(3 * 24 * 6)
            ],
        )
    return ids


async def assert_rollups_equal_what_is_stored(database: Database) -> None:
    """Hours and days equal a recomputation from rows, late rows and chunks."""
    assert await kept_rollups(database, "rollup_1h") == await expected_rollups(database, HOUR, before=NOW - HOUR)
    days = await expected_rollups(database, DAY, before=NOW - 12 * HOUR)
    assert await kept_rollups(database, "rollup_1d") == days


async def test_days_before_yesterday_are_packed_exactly(fresh: Database) -> None:
    """Series after series in many small transactions; the rows are gone afterwards, the samples are not."""
    await fill(fresh)
    await roll_up(fresh)
    before = await stored_rows(fresh)
    packed = await pack(fresh, samples_at_once=100)
    assert await attached(fresh) == ["sample_20250314", "sample_20250315"]
    assert packed == 5 * (72 + 144)
    assert await stored_rows(fresh) == before


async def test_running_again_or_elsewhere_changes_nothing(fresh: Database) -> None:
    """The second run finds nothing to do; one beside another leaves the work to it."""
    await fill(fresh)
    await roll_up(fresh)
    async with fresh.transaction() as work:
        await CompactionStore(work).try_lock()
        assert (await Compaction(fresh, hot_days=2).advance(NOW)).is_busy
    await asyncio.gather(*(pack(fresh, samples_at_once=100) for _ in range(3)))
    await pack(fresh)
    before = await stored_rows(fresh)
    assert (await Compaction(fresh, hot_days=2).advance(NOW)).moved == 0
    assert await stored_rows(fresh) == before


async def test_what_is_not_summed_up_yet_is_not_packed(fresh: Database) -> None:
    """Roll-ups are computed from rows first."""
    await fill(fresh, series=1)
    assert await pack(fresh) == 0
    assert len(await attached(fresh)) == 4


async def test_a_sample_that_comes_late_joins_its_chunk_and_its_roll_ups(fresh: Database) -> None:
    """Before it is packed, and after; of a series that was there that day, and of one that was not."""
    ids = await fill(fresh)
    (stranger,) = await make_series(fresh, "stranger")
    await roll_up(fresh)
    await pack(fresh)
    before = await stored_rows(fresh)
    came = [sample(ids[0], NOON + 95 * MINUTE, 77.5, metrics={"status": 500.0}), sample(stranger, NOON + MINUTE, 3.0)]
    await record(fresh, came)
    await roll_up(fresh)
    await assert_rollups_equal_what_is_stored(fresh)
    assert (await Compaction(fresh, hot_days=2).advance(NOW)).late == 2
    after = await stored_rows(fresh)
    assert [row.value for row in after if row not in before] == [3.0, 77.5]
    await roll_up(fresh)
    await assert_rollups_equal_what_is_stored(fresh)
    async with fresh.transaction() as work:
        assert not await work.fetch("select 1 from sample_late")


async def test_hours_that_are_gone_do_not_come_back_and_their_day_is_right(fresh: Database) -> None:
    """Samples are kept longer than hours; a day computed from one late hour would forget all others."""
    ids = await fill(fresh, series=1)
    await roll_up(fresh)
    await pack(fresh)
    async with fresh.transaction() as work:
        await work.run("update rollup_state set hours_from = $1", NOON + 12 * HOUR)
        await work.run("delete from rollup_1h where bucket < $1", NOON + 12 * HOUR)
    await record(fresh, [sample(ids[0], NOON + 95 * MINUTE, 77.5)])
    await roll_up(fresh)
    assert min(bucket for _, _, bucket in await kept_rollups(fresh, "rollup_1h")) == NOON + 12 * HOUR
    days = await expected_rollups(fresh, DAY, before=NOW - 12 * HOUR)
    assert await kept_rollups(fresh, "rollup_1d") == days


async def test_a_slot_that_is_packed_is_not_written_again(fresh: Database) -> None:
    """Nor one that waits to be packed; a reading of a job finds the next free millisecond instead."""
    (series_id,) = await make_series(fresh, "a")
    await record(fresh, every(series_id, MINUTE, [1.0, 2.0]))
    await record(fresh, [sample(series_id, NOW)])
    await roll_up(fresh)
    await pack(fresh)

    async def slot(at: timedelta, duration_ms: float) -> int:
        async with fresh.transaction() as work:
            plain = sample(series_id, NOON + at, duration_ms)
            one = Sample(plain.job_id, 0, series_id, "http", plain.reading, slot=NOON + at)
            return len(await SampleStore(work).record_slots([one]))

    assert [await slot(MINUTE, 9.0), await slot(5 * MINUTE, 5.0), await slot(5 * MINUTE, 6.0)] == [0, 1, 0]
    await record(fresh, [sample(series_id, NOON, 7.0)])
    await pack(fresh)
    rows = [(row.ts - NOON, row.value) for row in await stored_rows(fresh) if row.ts < NOW]
    millisecond = timedelta(milliseconds=1)
    assert rows == [(timedelta(0), 1.0), (millisecond, 7.0), (MINUTE, 2.0), (5 * MINUTE, 5.0)]


async def test_a_job_shows_its_metrics_wherever_they_are_kept(fresh: Database) -> None:
    """As a row, late, and packed."""
    ids = await make_series(fresh, "a", "b")
    async with fresh.transaction() as work:
        job_id = await add_job(work)
        metrics = {"status": 200.0, "size_bytes": 4096.0}
        await SampleStore(work).record(
            [
                sample(ids[0], NOON, 1.5, metrics=metrics, job_id=job_id, position=0),
                sample(ids[1], NOW, 2.5, metrics=metrics, job_id=job_id, position=1),
            ]
        )
    await roll_up(fresh)
    for _ in range(2):
        async with fresh.transaction() as work:
            found = await SampleStore(work).list_for_job(job_id, limit=5)
        assert [dict(each.metrics) for each in found] == [metrics, metrics]
        assert await pack(fresh) in (1, 0)
    async with fresh.transaction() as work:
        assert (await read_rollup_state(work)).chunked_until > NOON


async def test_being_cut_off_anywhere_loses_nothing(fresh: Database) -> None:
    """Forty runs, each cancelled a little later than the one before, while late samples come."""
    ids = await fill(fresh)
    await roll_up(fresh)
    draw = random.Random(9)
    for patience_ms in range(0, 80, 2):
        task = asyncio.create_task(Compaction(fresh, hot_days=2, samples_at_once=100).advance(NOW))
        await asyncio.wait([task], timeout=patience_ms / 1000)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        at = NOON + draw.randrange(36 * 60) * MINUTE + timedelta(milliseconds=500 + patience_ms)
        await record(fresh, [sample(draw.choice(ids), at, float(patience_ms))])
        expected = 5 * 3 * 144 + patience_ms // 2 + 1
        assert len(await stored_rows(fresh)) == expected
    await pack(fresh)
    await roll_up(fresh)
    assert len(await stored_rows(fresh)) == 5 * 3 * 144 + 40
    await assert_rollups_equal_what_is_stored(fresh)


async def test_writers_of_late_samples_and_packing_at_once_end_in_what_was_written(fresh: Database) -> None:
    """Four writers to days that are being packed, two that pack, one that rolls up."""
    ids = await fill(fresh)
    await roll_up(fresh)
    before = len(await stored_rows(fresh))
    is_writing = True

    async def write(seed: int) -> None:
        draw = random.Random(seed)
        for _ in range(15):
            moments = [NOON + timedelta(minutes=draw.random() * 60 * 40) for _ in range(10)]
            await record(fresh, [sample(draw.choice(ids), at, round(draw.random(), 3)) for at in moments])

    async def keep_packing() -> None:
        while is_writing:
            await Compaction(fresh, hot_days=2, samples_at_once=150).advance(NOW)

    async def keep_rolling_up() -> None:
        while is_writing:
            await Rollups(fresh, series_at_once=3).advance(NOW)

    upkeep = [asyncio.create_task(each) for each in (keep_packing(), keep_packing(), keep_rolling_up())]
    await asyncio.gather(*(write(seed) for seed in range(4)))
    is_writing = False
    await asyncio.gather(*upkeep)
    await pack(fresh)
    await roll_up(fresh)
    assert len(await stored_rows(fresh)) == before + 4 * 15 * 10
    await assert_rollups_equal_what_is_stored(fresh)


async def test_a_day_full_of_late_samples_is_packed_again(fresh: Database) -> None:
    """As many as were there, in several transactions."""
    ids = await fill(fresh)
    await roll_up(fresh)
    await pack(fresh)
    for series_id in ids:
        await record(fresh, every(series_id, 10 * MINUTE, [5.5] * 72, start=NOON + 5 * MINUTE))
    late = 0
    while (report := await Compaction(fresh, hot_days=2, samples_at_once=100).advance(NOW)).moved:
        late += report.late
    await roll_up(fresh)
    assert late == 5 * 72
    assert len(await stored_rows(fresh)) == 5 * (3 * 144 + 72)
    await assert_rollups_equal_what_is_stored(fresh)


async def test_chunks_that_are_not_those_of_the_rows_are_made_anew(fresh: Database) -> None:
    """The rows stay until they are."""
    await fill(fresh)
    await roll_up(fresh)
    before = await stored_rows(fresh)
    async with fresh.transaction() as work:
        await PartitionStore(work).ensure(CHUNKS, [NOON])
        await work.run("insert into sample_chunk values (999, $1, 1, 1, '')", NOON.date())
    with pytest.raises(CompactionError, match="2025-03-12"):
        await Compaction(fresh, hot_days=2).advance(NOW)
    assert await stored_rows(fresh) == before
    await pack(fresh)
    assert await stored_rows(fresh) == before


async def test_a_damaged_chunk_is_named(fresh: Database) -> None:
    """Nothing is merged into it, and what came late stays."""
    ids = await fill(fresh, series=1)
    await roll_up(fresh)
    await pack(fresh)
    await record(fresh, [sample(ids[0], NOON + 95 * MINUTE)])
    async with fresh.transaction() as work:
        await work.run("update sample_chunk set data = substr(data, 1, 40)")
    with pytest.raises(ChunkError, match=f"series {ids[0]}, 2025-03-12"):
        await Compaction(fresh, hot_days=2).advance(NOW)
    async with fresh.transaction() as work:
        assert len(await work.fetch("select 1 from sample_late")) == 1
