"""The directory of monitors: group, kind and labels of each, kept in memory while somebody filters by them."""

import asyncio
from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

import structlog

from shared.domain.live_filters import MonitorFacts
from shared.storage.database import Database
from shared.storage.errors import StorageUnavailableError
from shared.storage.monitor_directory_store import MonitorDirectoryStore

REFRESH_SECONDS = 5.0
"""How often changes are read while the directory is wanted."""

OVERLAP = timedelta(minutes=2)
"""How far back changes are read: longer than a transaction takes that has its moment from its beginning."""

WHOLE_SECONDS = 600.0
"""How often all of it is read, so that deleted monitors are forgotten."""

LEARN_SECONDS = 1.0
"""The least time between two readings for monitors that are not known yet."""

_log = structlog.get_logger()


class MonitorDirectory:
    """Knows monitors by id; what it knows may be some seconds old."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._facts: dict[UUID, MonitorFacts] = {}
        self._unknown: set[UUID] = set()
        self._read_at = float("-inf")
        self._whole_at = float("-inf")
        self._turn = asyncio.Lock()

    def find(self, monitor_id: UUID | None) -> MonitorFacts | None:
        """What is known of a monitor."""
        return None if monitor_id is None else self._facts.get(monitor_id)

    async def learn(self, monitor_ids: Iterable[UUID]) -> None:
        """Know these monitors, if they are there, and what changed; nothing is done while that was so lately.

        While the database is away what was known stays known.
        """
        unknown = {each for each in monitor_ids if each not in self._facts and each not in self._unknown}
        patience = LEARN_SECONDS if unknown else REFRESH_SECONDS
        async with self._turn:
            if _now() < self._read_at + patience:
                return
            try:
                await self._read()
            except StorageUnavailableError as error:
                _log.warning("monitor_directory_not_read", error=repr(error))
            self._unknown |= unknown - self._facts.keys()

    async def _read(self) -> None:
        self._read_at = _now()
        is_whole = self._read_at >= self._whole_at + WHOLE_SECONDS
        async with self._database.transaction() as work:
            found = await MonitorDirectoryStore(work).list_changed(None if is_whole else OVERLAP)
        self._facts = found if is_whole else self._facts | found
        self._whole_at = self._read_at if is_whole else self._whole_at
        self._unknown.clear()


def _now() -> float:
    return asyncio.get_running_loop().time()
