"""The coalescing loader."""

import asyncio
from collections.abc import Sequence

import pytest

from api.loader import Loader
from shared.services.job.job_submission import OverloadedError
from shared.storage.errors import StorageUnavailableError


class Shelf:
    """A store whose queries end when the test says so."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.gate = asyncio.Event()
        self.begun = asyncio.Event()
        self.error: Exception | None = None

    async def fetch(self, keys: Sequence[int]) -> dict[int, str]:
        self.asked.append(list(keys))
        self.begun.set()
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return {key: f"value {key}" for key in keys if key > 0}


async def test_what_is_asked_meanwhile_shares_one_query() -> None:
    """Everything that arrives while the first query is in flight goes into the second."""
    shelf = Shelf()
    loader = Loader(shelf.fetch, parallel=1)
    first = asyncio.create_task(loader.get(1))
    await shelf.begun.wait()
    others = [asyncio.create_task(loader.get(key)) for key in (2, 3, 2, 1)]
    await asyncio.sleep(0)
    shelf.gate.set()
    assert await asyncio.gather(first, *others) == ["value 1", "value 2", "value 3", "value 2", "value 1"]
    assert shelf.asked == [[1], [2, 3, 1]]


async def test_a_key_in_flight_is_read_again_for_who_comes_later() -> None:
    """A read begins after it was asked for, so that it sees what was committed before."""
    shelf = Shelf()
    loader = Loader(shelf.fetch, parallel=2)
    first = asyncio.create_task(loader.get(1))
    await shelf.begun.wait()
    second = asyncio.create_task(loader.get(1))
    shelf.gate.set()
    await asyncio.gather(first, second)
    assert shelf.asked == [[1], [1]]


async def test_who_asks_as_soon_as_it_was_answered_is_answered_too() -> None:
    """The run that has just ended is not waited for."""
    shelf = Shelf()
    shelf.gate.set()
    loader = Loader(shelf.fetch, parallel=1)
    async with asyncio.timeout(5):
        assert [await loader.get(key) for key in (1, 2, 3)] == ["value 1", "value 2", "value 3"]


async def test_what_there_is_not_is_none() -> None:
    """A missing key is no error."""
    shelf = Shelf()
    shelf.gate.set()
    assert await Loader(shelf.fetch).get(-1) is None


async def test_a_client_that_leaves_takes_nobody_along() -> None:
    """Cancelling one of those who share a query leaves the others their answer."""
    shelf = Shelf()
    loader = Loader(shelf.fetch)
    leaving, staying = asyncio.create_task(loader.get(1)), asyncio.create_task(loader.get(1))
    await shelf.begun.wait()
    leaving.cancel()
    shelf.gate.set()
    assert await staying == "value 1"
    with pytest.raises(asyncio.CancelledError):
        await leaving


async def test_an_error_reaches_everybody_and_the_loader_goes_on() -> None:
    """A failed query fails those who shared it, and only them."""
    shelf = Shelf()
    loader = Loader(shelf.fetch)
    shelf.error = StorageUnavailableError("away")
    shelf.gate.set()
    results = await asyncio.gather(loader.get(1), loader.get(2), return_exceptions=True)
    assert [type(result) for result in results] == [StorageUnavailableError] * 2
    shelf.error = None
    assert await loader.get(1) == "value 1"


async def test_a_query_that_hangs_is_given_up() -> None:
    """Every wait has an end."""
    with pytest.raises(StorageUnavailableError):
        await Loader(Shelf().fetch, timeout_seconds=0.01).get(1)


async def test_too_many_waiting_keys_are_refused() -> None:
    """The queue has a bound."""
    shelf = Shelf()
    loader = Loader(shelf.fetch, max_pending=1, parallel=1)
    first = asyncio.create_task(loader.get(1))
    await shelf.begun.wait()
    second = asyncio.create_task(loader.get(2))
    await asyncio.sleep(0)
    with pytest.raises(OverloadedError):
        await loader.get(3)
    shelf.gate.set()
    assert await asyncio.gather(first, second) == ["value 1", "value 2"]


async def test_large_batches_are_divided() -> None:
    """A query takes a bounded number of keys."""
    shelf = Shelf()
    shelf.gate.set()
    loader = Loader(shelf.fetch, max_batch=2, parallel=1)
    await asyncio.gather(*(loader.get(key) for key in range(1, 6)))
    assert shelf.asked == [[1, 2], [3, 4], [5]]
