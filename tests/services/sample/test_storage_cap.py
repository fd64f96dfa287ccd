"""Samples keep within the room they may take, and what went is told."""

from collections.abc import AsyncIterator
from datetime import datetime

import pytest
from rollup_model import kept_rollups, set_watermark, stored_rows
from sample_data import NOON, make_series, record, sample

from shared.domain.sample.segments import DAY
from shared.services.sample.compaction import Compaction
from shared.services.sample.rollups import Rollups
from shared.services.sample.storage_cap import StorageCap
from shared.storage.database import Database, create_engine

MARCH = datetime(2025, 3, 1, tzinfo=NOON.tzinfo)


@pytest.fixture
async def filled(fresh_database_url: str) -> AsyncIterator[Database]:
    """A sample every ten days from January to the middle of March, all late, summed up and packed."""
    database = Database(create_engine(fresh_database_url, pool_size=8, name="tests"))
    await set_watermark(database, NOON + DAY)
    (series_id,) = await make_series(database, "a")
    await record(database, [sample(series_id, NOON - age * DAY, float(age)) for age in (*range(0, 61, 10), 1)])
    while (await Rollups(database).advance(NOON + DAY)).moved:
        pass
    while (await Compaction(database, hot_days=2).advance(NOON)).moved:
        pass
    yield database
    await database.close()


async def test_nothing_goes_without_a_cap_or_within_it(filled: Database) -> None:
    """However much there is."""
    before = await stored_rows(filled)
    assert [await StorageCap(filled, cap=cap).enforce() for cap in (0, 10**12)] == [0, 0]
    assert await stored_rows(filled) == before


async def test_the_oldest_months_go_and_it_is_told(filled: Database) -> None:
    """Chunks of January are enough; days are never dropped, and a second run finds nothing to do."""
    days = await kept_rollups(filled, "rollup_1d")
    report = await StorageCap(filled, cap=0).report()
    total = sum(table.bytes for table in report.tables)
    cap = StorageCap(filled, cap=total - 1)
    assert [await cap.enforce(), await cap.enforce()] == [1, 0]
    report = await cap.report()
    assert [(drop.partition, drop.reason, drop.bytes > 0) for drop in report.drops] == [
        ("sample_chunk_202501", "size", True)
    ]
    assert sum(table.bytes for table in report.tables) < total
    assert min(row.ts for row in await stored_rows(filled)) == NOON - 30 * DAY
    assert await kept_rollups(filled, "rollup_1d") == days


async def test_this_month_stays_whatever_the_cap(filled: Database) -> None:
    """Hours go after chunks; the month that goes on goes never."""
    cap = StorageCap(filled, cap=1)
    assert [await cap.enforce(), await cap.enforce()] == [2, 0]
    report = await cap.report()
    assert (report.horizon.samples_from, report.horizon.hours_from) == (MARCH, MARCH)
    assert min(row.ts for row in await stored_rows(filled)) == NOON - 10 * DAY
    assert {drop.partition for drop in report.drops} == {
        "sample_chunk_202501",
        "sample_chunk_202502",
        "rollup_1h_202501",
        "rollup_1h_202502",
    }
