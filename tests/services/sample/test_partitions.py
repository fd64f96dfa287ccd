"""Partitions are made ahead and dropped whole, and nothing that counts goes with them."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
from rollup_model import kept_rollups, set_watermark
from sample_data import NOON, make_series, record, sample
from sqlalchemy.exc import DBAPIError

from shared.domain.sample.segments import DAY, HOUR
from shared.services.sample.partitions import SampleRetention, ensure_partitions
from shared.services.sample.rollups import Rollups
from shared.storage.database import Database, create_engine
from shared.storage.sample.partition_retention import drop_before
from shared.storage.sample.partition_store import PartitionStore
from shared.storage.sample.partitions import HOURS, SAMPLES, Partitioning
from shared.storage.sample.rollup_state import read_rollup_state

KEPT = SampleRetention(sample_days=35, hour_days=100)


@pytest.fixture
async def fresh(fresh_database_url: str) -> AsyncIterator[Database]:
    """A database without any partition."""
    database = Database(create_engine(fresh_database_url, pool_size=8, name="tests"))
    await set_watermark(database, NOON)
    yield database
    await database.close()


async def attached(database: Database, partitioning: Partitioning) -> list[str]:
    async with database.transaction() as work:
        return await PartitionStore(work).list_attached(partitioning)


async def samples_from(database: Database) -> datetime:
    async with database.transaction() as work:
        return (await read_rollup_state(work)).samples_from


async def test_partitions_are_made_for_today_and_three_days_more(fresh: Database) -> None:
    """Hours by month; a second run makes none."""
    first = await ensure_partitions(fresh, NOON, KEPT)
    second = await ensure_partitions(fresh, NOON, KEPT)
    days = ["sample_20250312", "sample_20250313", "sample_20250314", "sample_20250315"]
    notes = [day.replace("sample", "sample_note") for day in days]
    assert (first, second) == ([*days, *notes, "rollup_1h_202503"], [])
    assert await attached(fresh, SAMPLES) == days


async def test_processes_that_make_partitions_at_once_agree(fresh: Database) -> None:
    """Upkeep in every worker, and writers that meet a missing day."""
    ids = await make_series(fresh, "a")
    await asyncio.gather(
        *(ensure_partitions(fresh, NOON, KEPT) for _ in range(3)),
        *(record(fresh, [sample(ids[0], NOON + DAY)]) for _ in range(3)),
    )
    assert len(await attached(fresh, SAMPLES)) == 4


async def test_days_that_are_too_old_are_dropped_and_their_rollups_stay(fresh: Database) -> None:
    """With their month; 45 days later the day is gone, its day's roll-up is not, and it is told what went."""
    (series_id,) = await make_series(fresh, "a")
    await set_watermark(fresh, NOON - 48 * DAY)
    await record(fresh, [sample(series_id, NOON - 45 * DAY, 5), sample(series_id, NOON - HOUR, 6)])
    while (await Rollups(fresh).advance(NOON)).moved:
        pass
    await ensure_partitions(fresh, NOON, KEPT)
    assert "sample_20250126" not in await attached(fresh, SAMPLES)
    assert "sample_20250312" in await attached(fresh, SAMPLES)
    assert await samples_from(fresh) == datetime(2025, 2, 1, tzinfo=NOON.tzinfo)
    assert (series_id, 0, datetime(2025, 1, 26, tzinfo=NOON.tzinfo)) in await kept_rollups(fresh, "rollup_1d")


async def test_what_is_dropped_is_remembered(fresh: Database) -> None:
    """Its name, why, and how large it was."""
    (series_id,) = await make_series(fresh, "a")
    await set_watermark(fresh, NOON - 48 * DAY)
    await record(fresh, [sample(series_id, NOON - 45 * DAY, 5)])
    while (await Rollups(fresh).advance(NOON)).moved:
        pass
    await ensure_partitions(fresh, NOON, KEPT)
    async with fresh.transaction() as work:
        rows = await work.fetch("select partition, reason, bytes > 8192 as is_sized from storage_drops")
    assert [tuple(row) for row in rows] == [("sample_20250126", "age", True)]


async def test_what_is_not_summarised_yet_is_not_dropped(fresh: Database) -> None:
    """However old: roll-ups may have stood still, or a late sample's hour is still to be computed."""
    (series_id,) = await make_series(fresh, "a")
    await set_watermark(fresh, NOON - 48 * DAY)
    await record(fresh, [sample(series_id, NOON - 45 * DAY)])
    await ensure_partitions(fresh, NOON, KEPT)
    assert "sample_20250126" in await attached(fresh, SAMPLES)
    await set_watermark(fresh, NOON)
    await record(fresh, [sample(series_id, NOON - 45 * DAY + HOUR)])
    await ensure_partitions(fresh, NOON, KEPT)
    assert "sample_20250126" in await attached(fresh, SAMPLES)


async def test_a_sample_for_a_dropped_day_does_not_bring_it_back(fresh: Database) -> None:
    """Its roll-up would forget all others."""
    (series_id,) = await make_series(fresh, "a")
    await ensure_partitions(fresh, NOON, KEPT)
    await record(fresh, [sample(series_id, NOON - 45 * DAY)])
    assert "sample_20250126" not in await attached(fresh, SAMPLES)
    async with fresh.transaction() as work:
        assert not await work.fetch("select 1 from rollup_dirty")


async def test_a_drop_that_was_cut_off_is_finished(fresh: Database) -> None:
    """A partition was detached and the process died before it dropped it."""
    (series_id,) = await make_series(fresh, "a")
    await record(fresh, [sample(series_id, NOON), sample(series_id, NOON + DAY)])
    async with fresh.transaction() as work:
        await work.run("alter table sample detach partition sample_20250312")
    assert await drop_before(fresh, SAMPLES, NOON + DAY) == ["sample_20250312"]
    assert await attached(fresh, SAMPLES) == ["sample_20250313"]


async def count_samples(database: Database) -> int:
    async with database.transaction() as work:
        count: int = (await work.fetch("select count(*) from sample"))[0][0]
    return count


async def test_a_partition_that_was_left_detached_comes_back_with_what_it_holds(fresh: Database) -> None:
    """A drop was cut off, and then its time is wanted again: by its name alone it would pass for present."""
    (series_id,) = await make_series(fresh, "a")
    await record(fresh, [sample(series_id, NOON)])
    async with fresh.transaction() as work:
        await work.run("alter table sample detach partition sample_20250312")
    await record(fresh, [sample(series_id, NOON + HOUR)])
    assert await attached(fresh, SAMPLES) == ["sample_20250312"]
    assert await count_samples(fresh) == 2


async def test_a_partition_whose_detaching_hangs_comes_back_too(fresh: Database) -> None:
    """Readers do not see it any more, though the catalogue still names it as a part."""
    (series_id,) = await make_series(fresh, "a")
    await record(fresh, [sample(series_id, NOON)])
    await leave_detaching(fresh, "sample_20250312")
    await record(fresh, [sample(series_id, NOON + HOUR)])
    assert await count_samples(fresh) == 2


async def leave_detaching(database: Database, partition: str) -> None:
    """Detach concurrently, and give up while an open transaction that has read the table holds it up."""
    async with database.transaction() as reader, database.engine.connect() as plain:
        await reader.fetch("select count(*) from sample")
        connection = await plain.execution_options(isolation_level="AUTOCOMMIT")
        await connection.exec_driver_sql("set lock_timeout = '50ms'")
        with pytest.raises(DBAPIError):
            await connection.exec_driver_sql(f"alter table sample detach partition {partition} concurrently")
        await connection.exec_driver_sql("reset lock_timeout")


async def test_readers_and_writers_go_on_while_partitions_are_made_and_dropped(fresh: Database) -> None:
    """An open transaction that has read and written the table holds up neither."""
    (series_id,) = await make_series(fresh, "a")
    await ensure_partitions(fresh, NOON, KEPT)
    async with fresh.transaction() as work:
        await work.run("insert into sample (ts, series_id, outcome) values ($1, $2, 0)", NOON, series_id)
        made = await ensure_partitions(fresh, NOON + 10 * DAY, KEPT)
    assert len([name for name in made if name.startswith("sample_2")]) == 4


async def test_months_of_hours_reach_over_the_turn_of_the_year() -> None:
    """The month after December is January."""
    span = HOURS.span_of(datetime(2026, 12, 31, 23, tzinfo=NOON.tzinfo))
    assert (span.name, span.end) == ("rollup_1h_202612", datetime(2027, 1, 1, tzinfo=NOON.tzinfo))
    assert span.end - span.start == timedelta(days=31)
