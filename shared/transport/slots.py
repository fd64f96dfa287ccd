"""Places that are few: taken within a deadline, given back early when they are no longer needed."""

import asyncio

from shared.domain.target.observation import Blame, Fault

OPENING_SECONDS = 0.25
"""How long a connection counts as being opened: what is still silent then takes no processor from the others."""


async def acquire(places: asyncio.Semaphore, *, timeout_seconds: float) -> Fault | None:
    """Take a place, or say that none became free in time; who took one releases it."""
    if not places.locked():
        await places.acquire()
        return None
    try:
        async with asyncio.timeout(timeout_seconds):
            await places.acquire()
    except TimeoutError:
        return Fault("overloaded", "this process had no slot free for the check in time", Blame.OURS)
    return None


class OpeningSlot:
    """A place among the connections being opened; held until the connection stands, or for `OPENING_SECONDS`.

    Without that end a few dozen dead targets, each silent until its timeout, would hold up all others. With it
    waiting needs no deadline of its own: nobody in the queue holds it up for longer.
    """

    __slots__ = ("_places", "_timer")

    def __init__(self, places: asyncio.Semaphore) -> None:
        self._places = places
        self._timer: asyncio.TimerHandle | None = None

    async def take(self) -> None:
        """Wait for the place."""
        await self._places.acquire()
        self._timer = asyncio.get_running_loop().call_later(OPENING_SECONDS, self.release)

    def release(self) -> None:
        """Give the place back, once."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._places.release()
