"""Group commit: batches form by themselves, a bad item fails alone, the buffer is bounded."""

import asyncio
from collections.abc import Sequence

import pytest
import structlog

from shared.storage.errors import StorageUnavailableError
from shared.storage.group_commit import BufferFullError, GroupCommit


class Store:
    """A flush that can be held, and remembers its batches."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.entered = asyncio.Event()

    async def flush(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        self.entered.set()
        await self.gate.wait()
        if any(item < 0 for item in items):
            raise ValueError("a negative item")
        return [item * 10 for item in items]


async def test_a_lonely_item_is_flushed_at_once() -> None:
    """There is no timer to wait for."""
    store = Store()
    assert await GroupCommit(store.flush, max_pending=10).submit(1) == 10


async def test_what_arrives_during_a_flush_shares_the_next() -> None:
    """Ten submitters cost two commits."""
    store = Store()
    store.gate.clear()
    group: GroupCommit[int, int] = GroupCommit(store.flush, max_pending=100)
    first = asyncio.create_task(group.submit(0))
    await store.entered.wait()
    rest = [group.add(item) for item in range(1, 10)]
    store.gate.set()
    assert [await first, *[await future for future in rest]] == [item * 10 for item in range(10)]
    assert store.batches == [[0], list(range(1, 10))]


async def test_a_bad_item_fails_alone() -> None:
    """One client's data error does not fail its neighbours."""
    store = Store()
    group: GroupCommit[int, int] = GroupCommit(store.flush, max_pending=100)
    futures = [group.add(item) for item in (1, -1, 2)]
    outcomes = await asyncio.gather(*futures, return_exceptions=True)
    assert outcomes[0] == 10
    assert isinstance(outcomes[1], ValueError)
    assert outcomes[2] == 20


async def test_a_full_buffer_refuses_and_takes_nothing() -> None:
    """Every queue has a bound."""
    store = Store()
    store.gate.clear()
    group: GroupCommit[int, int] = GroupCommit(store.flush, max_pending=2)
    running = group.add(1)
    await store.entered.wait()
    waiting = [group.add(2), group.add(3)]
    with pytest.raises(BufferFullError):
        group.add(4)
    store.gate.set()
    assert await asyncio.gather(running, *waiting) == [10, 20, 30]
    assert [item for batch in store.batches for item in batch] == [1, 2, 3]


async def test_a_stalled_database_is_told_as_unavailable() -> None:
    """Every wait has a timeout, and it fails the whole batch the same way."""
    store = Store()
    store.gate.clear()
    group: GroupCommit[int, int] = GroupCommit(store.flush, max_pending=10, timeout_seconds=0.02)
    outcomes = await asyncio.gather(*[group.add(1), group.add(2)], return_exceptions=True)
    assert all(isinstance(outcome, StorageUnavailableError) for outcome in outcomes)
    assert store.batches == [[1, 2]]


async def test_a_cancelled_submitter_does_not_take_its_item_back() -> None:
    """A client that leaves changes nothing for the others of its batch."""
    store = Store()
    store.gate.clear()
    group: GroupCommit[int, int] = GroupCommit(store.flush, max_pending=10)
    leaving = asyncio.create_task(group.submit(1))
    await store.entered.wait()
    leaving.cancel()
    store.gate.set()
    await group.drain()
    assert leaving.cancelled() or leaving.cancelling()
    assert store.batches == [[1]]


async def test_a_flush_carries_nothing_of_whoever_came_first() -> None:
    """The ids bound to a submitter's log lines would stand on the lines of everybody's commit."""
    bound: list[dict[str, object]] = []

    async def flush(items: Sequence[int]) -> list[int]:
        bound.append(structlog.contextvars.get_contextvars())
        return list(items)

    with structlog.contextvars.bound_contextvars(job_id="the first"):
        await GroupCommit(flush, max_pending=10).submit(1)
    assert bound == [{}]


async def test_with_a_pace_what_trickles_in_shares_a_flush() -> None:
    """The first item is flushed at once; those that come while it rests wait together, and no longer than that."""
    store = Store()
    commits = GroupCommit(store.flush, max_pending=100, pace_seconds=0.05)
    assert await commits.submit(0) == 0
    began_at = asyncio.get_running_loop().time()
    for item in range(1, 6):
        commits.add(item)
        await asyncio.sleep(0)
    await commits.drain()
    assert store.batches == [[0], [1, 2, 3, 4, 5]]
    assert asyncio.get_running_loop().time() - began_at < 10


async def test_what_is_urgent_does_not_wait_for_the_pace() -> None:
    """It takes along what waits already."""
    store = Store()
    commits = GroupCommit(store.flush, max_pending=100, pace_seconds=3600)
    assert await commits.submit(0) == 0
    waiting = commits.add(1)
    async with asyncio.timeout(60):
        assert await commits.submit(2, is_urgent=True) == 20
    assert waiting.result() == 10
    assert store.batches == [[0], [1, 2]]
    assert commits._flusher is not None
    commits._flusher.cancel()


async def test_a_full_batch_does_not_rest() -> None:
    """More is there than one flush takes."""
    store = Store()
    commits = GroupCommit(store.flush, max_pending=100, max_batch=2, pace_seconds=3600)
    futures = [commits.add(item) for item in range(4)]
    async with asyncio.timeout(60):
        assert await asyncio.gather(*futures) == [0, 10, 20, 30]
    assert commits._flusher is not None
    commits._flusher.cancel()
