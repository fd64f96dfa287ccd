"""Letting go of jobs that a pause or a limit held back, once nothing holds them any more."""

from shared.services.job.announcer import Announcer
from shared.storage.database import Database
from shared.storage.job.hold_store import RELEASE_BATCH, HoldStore

KEYS_AT_ONCE = 1000
"""How many limits are looked at in one run; the next run goes on behind the last one."""


class Holds:
    """The duty that frees held jobs; safe anywhere and twice."""

    def __init__(self, database: Database, announcer: Announcer) -> None:
        self._database = database
        self._announcer = announcer
        self._after = ""

    async def release(self) -> int:
        """Ring for jobs of queues no longer paused and of limits with room or a rate that lets them go; how many."""
        async with self._database.transaction() as work:
            store = HoldStore(work)
            unpaused = await store.release_unpaused(limit=RELEASE_BATCH)
            keys = await store.list_blocked_keys(after=self._after, limit=KEYS_AT_ONCE)
            limited = await store.release_if_room(keys)
        self._after = keys[-1] if len(keys) == KEYS_AT_ONCE else ""
        self._announcer.announce(unpaused.changes + limited.changes, unpaused.rings + limited.rings)
        return len(unpaused.rings) + len(limited.rings)
