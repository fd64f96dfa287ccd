"""Places that are few: taken within a deadline, given back early when they are no longer needed."""

import asyncio

from shared.domain.observation import Blame, Fault

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

    Without the second a few dozen dead targets, each silent until its timeout, would hold up all others.
    """

    __slots__ = ("_is_held", "_places", "_timer")

    def __init__(self, places: asyncio.Semaphore) -> None:
        self._places = places
        self._is_held = False
        self._timer: asyncio.TimerHandle | None = None

    async def take(self, *, timeout_seconds: float) -> Fault | None:
        """Wait for the place."""
        fault = await acquire(self._places, timeout_seconds=timeout_seconds)
        if fault is None:
            self._is_held = True
            self._timer = asyncio.get_running_loop().call_later(OPENING_SECONDS, self.release)
        return fault

    def release(self) -> None:
        """Give the place back, once."""
        if self._is_held:
            self._is_held = False
            self._places.release()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
