"""The directory of monitors: group, kind and labels of each, kept in memory while somebody filters by them."""

import asyncio
from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

import structlog

from shared.domain.live_filters import MonitorFacts
from shared.storage.database import Database
from shared.storage.monitor.monitor_directory_store import MonitorDirectoryStore

REFRESH_SECONDS = 5.0
"""How often changes are read while the directory is wanted."""

OVERLAP = timedelta(minutes=2)
"""How far back changes are read: longer than a transaction takes that has its moment from its beginning."""

WHOLE_SECONDS = 600.0
"""How often all of it is read, so that deleted monitors are forgotten."""

READ_AT_ONCE = 5_000
"""So many are read in some 30 ms; a hundred thousand at once would hold up every other request of the process."""

READ_SECONDS = 2.0
"""How long one such part may take: all who watch wait for it."""

AWAY_SECONDS = 5.0
"""How long a database that did not answer is not asked again."""

_log = structlog.get_logger()


class MonitorDirectory:
    """Knows monitors by id; what it knows may be some seconds old."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._facts: dict[UUID, MonitorFacts] = {}
        self._unknown: set[UUID] = set()
        self._read_at = float("-inf")
        self._away_until = float("-inf")
        self._whole_at = float("-inf")
        self._turn = asyncio.Lock()

    def find(self, monitor_id: UUID | None) -> MonitorFacts | None:
        """What is known of a monitor."""
        return None if monitor_id is None else self._facts.get(monitor_id)

    async def learn(self, monitor_ids: Iterable[UUID]) -> None:
        """Know these monitors, if they are there, and what changed lately.

        It is read for each id that was never met before, else every few seconds. While the database does not answer
        what was known stays known.
        """
        met = {each for each in monitor_ids if each not in self._facts and each not in self._unknown}
        async with self._turn:
            if _now() < self._away_until or not (met or _now() >= self._read_at + REFRESH_SECONDS):
                return
            try:
                await self._read()
            except Exception as error:  # noqa: BLE001 - who watches hears of what is known, whatever it is
                self._away_until = _now() + AWAY_SECONDS
                _log.warning("monitor_directory_not_read", error=repr(error))
            else:
                self._unknown |= met - self._facts.keys()

    async def _read(self) -> None:
        at = _now()
        is_whole = at >= self._whole_at + WHOLE_SECONDS
        found: dict[UUID, MonitorFacts] = {}
        after: UUID | None = None
        while True:
            async with asyncio.timeout(READ_SECONDS), self._database.transaction() as work:
                part = await MonitorDirectoryStore(work).list_changed(
                    None if is_whole else OVERLAP, after=after, limit=READ_AT_ONCE
                )
            found |= part
            if len(part) < READ_AT_ONCE:
                break
            after = next(reversed(part))
        self._read_at = at
        if is_whole:
            self._facts, self._unknown, self._whole_at = found, set(), at
        else:
            self._facts |= found


def _now() -> float:
    return asyncio.get_running_loop().time()
