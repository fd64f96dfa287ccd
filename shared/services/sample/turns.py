"""Whose turn it is with the samples: what must not run twice at once holds the lock of its store for a transaction."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol, TypeVar

from shared.domain.sample.segments import Horizon
from shared.storage.database import Database, UnitOfWork
from shared.storage.sample.rollup_state import read_rollup_state


class BusyError(Exception):
    """Another process is at it, or writers of samples did not let a mark pass."""


class LockedStore(Protocol):
    """A store whose writers take turns."""

    async def try_lock(self) -> bool:
        """Take the lock until the transaction ends; False when somebody else has it."""
        ...


StoreT = TypeVar("StoreT", bound=LockedStore)


@asynccontextmanager
async def locked(
    database: Database, open_store: Callable[[UnitOfWork], StoreT]
) -> AsyncIterator[tuple[UnitOfWork, StoreT, Horizon]]:
    """A transaction in which nobody else holds the store's lock, and how far all is then.

    Raises:
        BusyError: somebody else holds it.
    """
    async with database.transaction() as work:
        store = open_store(work)
        if not await store.try_lock():
            raise BusyError
        yield work, store, await read_rollup_state(work)


async def read_state(database: Database) -> Horizon:
    """How far all is, in a transaction of its own."""
    async with database.transaction() as work:
        return await read_rollup_state(work)
