"""What follows a commit: rings for jobs that wait now, and word of what changed. Both are hints, never waited for."""

from collections.abc import Sequence

from shared.domain.job.jobs import Ring
from shared.domain.job.leases import JobChange
from shared.events import JobEvents
from shared.live_events import LiveEvents
from shared.task_queue import Doorbell


class Announcer:
    """Rings and tells after a commit; what is lost here, upkeep and readers find by the rows."""

    def __init__(self, doorbell: Doorbell, events: JobEvents, live: LiveEvents) -> None:
        self._doorbell = doorbell
        self._events = events
        self._live = live

    def announce(self, changes: Sequence[JobChange], rings: Sequence[Ring] = ()) -> None:
        """Tell the changes and ring, in the background."""
        self._doorbell.ring_soon(rings)
        self._events.publish_soon(changes)
        self._live.publish_soon(changes)

    async def drain(self) -> None:
        """Wait until everything announced so far is rung and told, or given to upkeep."""
        await self._doorbell.drain()
        await self._events.drain()
        await self._live.drain()
