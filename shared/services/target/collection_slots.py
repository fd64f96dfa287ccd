"""How many targets a worker collects at once, in all and of each host, so that a slow host starves no other."""

import asyncio
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

    def held(self, host: str | None, host_slots: int) -> "HeldSlot":
        """Hold a slot for a block; uses of one host with another bound are counted on their own.

        Entering it raises `NoSlotError` when none became free within the patience.
        """
        return HeldSlot(self, host, host_slots)

    async def take(self, host: str | None, host_slots: int) -> None:
        """Take a slot, which has to be given back.

        Raises:
            NoSlotError: none became free within the patience.
        """
        if host is None:
            await self._acquire(self._all)
            return
        entry = self._hosts.get((host, host_slots))
        if entry is None:
            entry = self._hosts[host, host_slots] = _Host(asyncio.Semaphore(host_slots))
        entry.users += 1
        try:
            await self._acquire(entry.slots)
            try:
                await self._acquire(self._all)
            except BaseException:
                entry.slots.release()
                raise
        except BaseException:
            self._leave(host, host_slots, entry)
            raise

    def give_back(self, host: str | None, host_slots: int) -> None:
        """Give back a slot that was taken."""
        self._all.release()
        if host is not None:
            entry = self._hosts[host, host_slots]
            entry.slots.release()
            self._leave(host, host_slots, entry)

    def _leave(self, host: str, host_slots: int, entry: _Host) -> None:
        entry.users -= 1
        if not entry.users:
            del self._hosts[host, host_slots]

    async def _acquire(self, slots: asyncio.Semaphore) -> None:
        if not slots.locked():
            await slots.acquire()
            return
        try:
            async with asyncio.timeout(self._wait_seconds):
                await slots.acquire()
        except TimeoutError:
            raise NoSlotError from None


class HeldSlot:
    """A slot that is held for a block. As a generator it would cost a tenth of a look."""

    __slots__ = ("_host", "_host_slots", "_slots")

    def __init__(self, slots: CollectionSlots, host: str | None, host_slots: int) -> None:
        self._slots = slots
        self._host = host
        self._host_slots = host_slots

    async def __aenter__(self) -> None:
        await self._slots.take(self._host, self._host_slots)

    async def __aexit__(self, *_: object) -> None:
        self._slots.give_back(self._host, self._host_slots)
