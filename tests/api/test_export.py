"""Samples are exported whole, in constant memory, while nothing is held for a slow client."""

import asyncio
import csv
import gzip
import io
import json
from typing import Any

import httpx2
import pytest
from packed_data import MONITOR, NOW, OTHER, START, WHOLE, pack_all, plant_samples

from api.services import ApiServices
from shared.services.sample.export import Export, ExportQuestion
from shared.storage.database import Database

PATH = "/api/v1/export/samples"


@pytest.fixture
async def samples(database: Database) -> int:
    """How many samples each of the three series has."""
    planted = await plant_samples(database)
    await pack_all(database)
    return len(planted[MONITOR])


async def test_lines_of_json_tell_every_sample(client: httpx2.AsyncClient, samples: int) -> None:
    """In the order of their times for each series, with metrics and notes; also of targets without a monitor."""
    response = await client.get(PATH, params=WHOLE)
    found: list[dict[str, Any]] = [json.loads(line) for line in response.text.splitlines()]
    assert response.headers["content-type"] == "application/x-ndjson"
    assert len(found) == 3 * samples
    own = [each for each in found if each["monitor_id"] == str(MONITOR)]
    assert [each["at"] for each in own] == sorted({each["at"] for each in own})
    assert {each["name"] for each in found} == {"shop", "=cmd", "https://stranger.example"}
    assert all((each["code"] == "timeout") == (each["outcome"] != "up") for each in own)
    assert all(("status" in each["metrics"]) == (each["outcome"] == "up") for each in own)


async def test_an_export_ends_where_samples_do(client: httpx2.AsyncClient, samples: int) -> None:
    """However far ahead its window reaches: days without samples are not walked through."""
    async with asyncio.timeout(30):
        response = await client.get(PATH, params=WHOLE | {"end": "9000-01-01T00:00:00Z"})
    assert len(response.text.splitlines()) == 3 * samples


@pytest.mark.parametrize("chosen", [{"monitor": str(OTHER)}, {"label": "team:data"}])
async def test_a_table_has_a_column_for_each_metric(
    client: httpx2.AsyncClient, samples: int, chosen: dict[str, str]
) -> None:
    """A name that a spreadsheet would compute is made harmless."""
    response = await client.get(PATH, params=WHOLE | chosen | {"format": "csv"})
    rows = list(csv.DictReader(io.StringIO(response.text)))
    assert response.headers["content-type"].startswith("text/csv")
    assert len(rows) == samples
    assert {(row["name"], row["group"]) for row in rows} == {("'=cmd", "web")}
    assert rows[0]["at"] == "2025-03-12T12:00:00.000Z"
    assert {row["status"] for row in rows} == {"200.0", ""}


async def test_an_export_is_compressed_where_that_is_understood(client: httpx2.AsyncClient, samples: int) -> None:
    """By gzip."""
    async with client.stream("GET", PATH, params=WHOLE, headers={"Accept-Encoding": "gzip"}) as response:
        raw = b"".join([part async for part in response.aiter_raw()])
    assert response.headers["content-encoding"] == "gzip"
    assert gzip.decompress(raw).count(b"\n") == 3 * samples


async def test_more_exports_at_once_than_there_are_slots_are_refused(
    client: httpx2.AsyncClient, services: ApiServices
) -> None:
    """And told when to come again; one that ends makes room."""
    for _ in range(2):
        await services.export_slots.acquire()
    refused = await client.get(PATH)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "10")
    for _ in range(2):
        services.export_slots.release()
    for _ in range(3):
        assert (await client.get(PATH)).status_code == 200


async def test_batches_are_small_and_hold_nothing(database: Database, samples: int) -> None:
    """Between two of them the database can be changed by anybody, partitions too."""
    seen = 0
    async for batch in Export(database, samples_at_once=50).batches(ExportQuestion(START, NOW)):
        largest = max(len(each.samples) for each in batch)
        assert sum(len(each.samples) for each in batch) <= max(50, largest)
        async with database.transaction() as work:
            await work.run("lock table sample, sample_chunk, sample_note in access exclusive mode nowait")
        seen += sum(len(each.samples) for each in batch)
    assert seen == 3 * samples
