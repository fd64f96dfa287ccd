"""How many targets a worker collects at once, in all and of each host, so that a slow host starves no other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


class NoSlotError(Exception):
    """No slot became free in time."""


@dataclass(slots=True)
class _Host:
    """The slots of one host and how many use or await them, so that it is forgotten when nobody does."""

    slots: asyncio.Semaphore
    users: int = field(default=0)


class CollectionSlots:
    """A host's slot is taken first and one of the worker's after it: who waits for a slow host holds nothing else."""

    def __init__(self, target_slots: int, *, wait_seconds: float) -> None:
        self._all = asyncio.Semaphore(target_slots)
        self._wait_seconds = wait_seconds
        self._hosts: dict[tuple[str, int], _Host] = {}

    @asynccontextmanager
    async def held(self, host: str | None, host_slots: int) -> AsyncIterator[None]:
        """Hold a slot; uses of one host with another bound are counted on their own.

        Raises:
            NoSlotError: none became free within the patience.
        """
        async with self._held_of_host(host, host_slots):
            await self._acquire(self._all)
            try:
                yield
            finally:
                self._all.release()

    @asynccontextmanager
    async def _held_of_host(self, host: str | None, slots: int) -> AsyncIterator[None]:
        if host is None:
            yield
            return
        entry = self._hosts.setdefault((host, slots), _Host(asyncio.Semaphore(slots)))
        entry.users += 1
        try:
            await self._acquire(entry.slots)
            try:
                yield
            finally:
                entry.slots.release()
        finally:
            entry.users -= 1
            if not entry.users:
                del self._hosts[host, slots]

    async def _acquire(self, slots: asyncio.Semaphore) -> None:
        if not slots.locked():
            await slots.acquire()
            return
        try:
            async with asyncio.timeout(self._wait_seconds):
                await slots.acquire()
        except TimeoutError:
            raise NoSlotError from None
