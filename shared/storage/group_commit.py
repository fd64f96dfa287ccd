"""Group commit: what arrives while a flush is in flight shares the next one, so many pay for one commit."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from contextvars import Context
from typing import Generic, TypeVar

from shared.storage.errors import StorageUnavailableError

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


class BufferFullError(Exception):
    """More items wait for a commit than the buffer's bound; come back later."""


class GroupCommit(Generic[ItemT, ResultT]):
    """Natural batching with exactly one flush in flight: a lonely item is flushed at once.

    There is no timer, unless a `pace_seconds` is asked for: then flushes begin that far apart, as long as what arrives
    meanwhile fits into the next one and is not urgent. It is for items that trickle in and that nobody waits for.

    `flush` takes the items of one transaction and returns as many results in their order. When it fails on a batch
    for a reason that lies in the data, its items are tried one by one, so that a bad one fails alone.
    """

    def __init__(
        self,
        flush: Callable[[Sequence[ItemT]], Awaitable[Sequence[ResultT]]],
        *,
        max_pending: int,
        max_batch: int = 1000,
        timeout_seconds: float = 10.0,
        pace_seconds: float = 0.0,
    ) -> None:
        self._flush = flush
        self._max_pending = max_pending
        self._max_batch = max_batch
        self._timeout_seconds = timeout_seconds
        self._pace_seconds = pace_seconds
        self._pending: deque[tuple[ItemT, asyncio.Future[ResultT]]] = deque()
        self._flusher: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()

    @property
    def pending(self) -> int:
        """How many items wait for the next flush."""
        return len(self._pending)

    async def submit(self, item: ItemT, *, is_urgent: bool = False) -> ResultT:
        """Wait until `item` is committed and return its result; being cancelled does not take the item back.

        What is urgent does not wait for the pace.

        Raises:
            BufferFullError: the bound is reached and nothing was taken.
            StorageUnavailableError: the database is away or too slow.
        """
        future = self.add(item)
        if is_urgent:
            self._hurry.set()
        return await future

    def add(self, item: ItemT) -> asyncio.Future[ResultT]:
        """Queue `item` and return the future of its result.

        Raises:
            BufferFullError: the bound is reached and nothing was taken.
        """
        if len(self._pending) >= self._max_pending:
            raise BufferFullError
        future: asyncio.Future[ResultT] = asyncio.get_running_loop().create_future()
        # A caller that left must not make the event loop complain that nobody read its error.
        future.add_done_callback(_consume)
        self._pending.append((item, future))
        if self._flusher is None:
            # A flush is everybody's: it must not carry the ids and the trace of whoever came first.
            self._flusher = asyncio.create_task(self._run(), context=Context())
        return future

    async def drain(self) -> None:
        """Wait until everything queued so far is flushed."""
        while self._flusher is not None:
            await asyncio.shield(self._flusher)

    async def _run(self) -> None:
        try:
            while self._pending:
                began_at = time.monotonic()
                self._hurry.clear()
                size = min(len(self._pending), self._max_batch)
                await self._flush_batch([self._pending.popleft() for _ in range(size)])
                rest_seconds = began_at + self._pace_seconds - time.monotonic()
                if rest_seconds > 0 and len(self._pending) < self._max_batch:
                    await self._rest(rest_seconds)
        finally:
            self._flusher = None

    async def _rest(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._hurry.wait()

    async def _flush_batch(self, batch: list[tuple[ItemT, asyncio.Future[ResultT]]]) -> None:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                results = await self._flush([item for item, _ in batch])
        except (StorageUnavailableError, TimeoutError) as error:
            away = StorageUnavailableError("the database did not take the write in time")
            away.__cause__ = error
            _fail(batch, away)
        except Exception as error:  # noqa: BLE001 - every waiter is told, none is lost with the flusher
            if len(batch) == 1:
                _fail(batch, error)
                return
            for single in batch:
                await self._flush_batch([single])
        else:
            for (_, future), result in zip(batch, results, strict=True):
                if not future.done():
                    future.set_result(result)


def _fail(batch: list[tuple[ItemT, asyncio.Future[ResultT]]], error: Exception) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(error)


def _consume(future: "asyncio.Future[ResultT]") -> None:
    if not future.cancelled():
        future.exception()
