"""A coalescing loader: what is asked for while a query is in flight shares the next one."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Generic, TypeVar

from shared.services.job_submission import OverloadedError
from shared.storage.errors import StorageUnavailableError

KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")


class Loader(Generic[KeyT, ValueT]):
    """Each read begins after it was asked for, so that it sees everything committed before.

    `fetch` takes up to `max_batch` keys and returns what there is of them; at most `parallel` run at once.
    """

    def __init__(
        self,
        fetch: Callable[[Sequence[KeyT]], Awaitable[Mapping[KeyT, ValueT]]],
        *,
        max_pending: int = 10_000,
        max_batch: int = 500,
        parallel: int = 2,
        timeout_seconds: float = 10.0,
    ) -> None:
        self._fetch = fetch
        self._max_pending = max_pending
        self._max_batch = max_batch
        self._parallel = parallel
        self._timeout_seconds = timeout_seconds
        self._pending: dict[KeyT, asyncio.Future[ValueT | None]] = {}
        self._runs: set[asyncio.Task[None]] = set()

    async def get(self, key: KeyT) -> ValueT | None:
        """The value of `key`, or None when there is none.

        Raises:
            OverloadedError: too many keys wait already.
            StorageUnavailableError: the query did not end in time.
        """
        future = self._pending.get(key)
        if future is None:
            future = self._enqueue(key)
        # A client that leaves must not cancel the future that it shares with others.
        return await asyncio.shield(future)

    def _enqueue(self, key: KeyT) -> "asyncio.Future[ValueT | None]":
        if len(self._pending) >= self._max_pending:
            raise OverloadedError(retry_after_seconds=1)
        future: asyncio.Future[ValueT | None] = asyncio.get_running_loop().create_future()
        future.add_done_callback(_consume)
        self._pending[key] = future
        if len(self._runs) < self._parallel:
            run = asyncio.create_task(self._run())
            self._runs.add(run)
            run.add_done_callback(self._runs.discard)
        return future

    async def _run(self) -> None:
        while self._pending:
            keys = list(islice(self._pending, self._max_batch))
            await self._load({key: self._pending.pop(key) for key in keys})

    async def _load(self, batch: "dict[KeyT, asyncio.Future[ValueT | None]]") -> None:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                found = await self._fetch(list(batch))
        except TimeoutError as error:
            away = StorageUnavailableError("the database did not answer in time")
            away.__cause__ = error
            _fail(batch.values(), away)
        except Exception as error:  # noqa: BLE001 - every waiter is told, none is lost with the loader
            _fail(batch.values(), error)
        else:
            for key, future in batch.items():
                if not future.done():
                    future.set_result(found.get(key))


def _fail(futures: "Iterable[asyncio.Future[ValueT | None]]", error: Exception) -> None:
    for future in futures:
        if not future.done():
            future.set_exception(error)


def _consume(future: "asyncio.Future[ValueT | None]") -> None:
    # A caller that left must not make the event loop complain that nobody read its error.
    if not future.cancelled():
        future.exception()
