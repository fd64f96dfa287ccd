"""How much room samples take, over HTTP."""

import httpx2
from packed_data import START, pack_all, plant_samples

from api.schemas.storage import StorageView
from shared.domain.sample.segments import DAY, floor_to
from shared.storage.database import Database


async def test_the_room_of_each_resolution_is_told(client: httpx2.AsyncClient, database: Database) -> None:
    """And how far each reaches back, and what a packed sample takes."""
    await plant_samples(database)
    await pack_all(database)
    found = StorageView.model_validate_json((await client.get("/api/v1/storage")).content)
    assert [each.resolution for each in found.resolutions] == ["rows", "chunks", "notes", "hours", "late", "days"]
    assert found.bytes == sum(each.bytes for each in found.resolutions)
    assert all(each.bytes for each in found.resolutions)
    assert found.bytes_per_packed_sample is not None
    assert found.rows_from == floor_to(START, DAY) + 3 * DAY
    assert (found.samples_from, found.cap) == (None, None)


async def test_a_new_installation_has_nothing_to_tell(client: httpx2.AsyncClient, database: Database) -> None:
    """Not yet packed, never dropped."""
    found = StorageView.model_validate_json((await client.get("/api/v1/storage")).content)
    assert (found.rows_from, found.samples_from, found.hours_from, found.drops) == (None, None, None, [])
