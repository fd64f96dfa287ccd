"""A coalescing loader: what is asked for while a query is in flight shares the next one."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from itertools import chain, islice
from typing import Generic, TypeVar

from shared.services.job.job_submission import OverloadedError
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
        self._pending: dict[KeyT, list[asyncio.Future[ValueT | None]]] = {}
        self._running = 0
        self._runs: set[asyncio.Task[None]] = set()

    async def get(self, key: KeyT) -> ValueT | None:
        """The value of `key`, or None when there is none.

        Raises:
            OverloadedError: too many keys wait already.
            StorageUnavailableError: the query did not end in time.
        """
        # A future for each who asks: one that leaves must not cancel the others'.
        future: asyncio.Future[ValueT | None] = asyncio.get_running_loop().create_future()
        waiting = self._pending.get(key)
        if waiting is not None:
            waiting.append(future)
        else:
            self._enqueue(key, future)
        return await future

    def _enqueue(self, key: KeyT, future: "asyncio.Future[ValueT | None]") -> None:
        if len(self._pending) >= self._max_pending:
            raise OverloadedError(retry_after_seconds=1)
        self._pending[key] = [future]
        if self._running < self._parallel:
            self._running += 1
            run = asyncio.create_task(self._run())
            self._runs.add(run)
            run.add_done_callback(self._runs.discard)

    async def _run(self) -> None:
        try:
            while self._pending:
                keys = list(islice(self._pending, self._max_batch))
                await self._load({key: self._pending.pop(key) for key in keys})
        finally:
            # Not when the task is seen to be done: who asks in between would wait for a run that has ended.
            self._running -= 1

    async def _load(self, batch: "dict[KeyT, list[asyncio.Future[ValueT | None]]]") -> None:
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
            for key, futures in batch.items():
                value = found.get(key)
                for future in futures:
                    if not future.done():
                        future.set_result(value)


def _fail(waiting: "Iterable[list[asyncio.Future[ValueT | None]]]", error: Exception) -> None:
    for future in chain.from_iterable(waiting):
        if not future.done():
            future.set_exception(error)
