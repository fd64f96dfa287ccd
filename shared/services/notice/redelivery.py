"""Telling notices anew that were given up, under the ids they had."""

from dataclasses import dataclass
from uuid import UUID

from shared.domain.notice.redelivery import DeadLetter, RedeliveryFilter, Refusal, decide_redelivery
from shared.services.job.announcer import Announcer
from shared.storage.database import Database
from shared.storage.notice.redelivery_store import RedeliveryStore

MAX_REDELIVERED = 200
"""The most notices that one request puts on their way."""


@dataclass(frozen=True, slots=True)
class NotRedelivered:
    """A notice stays as it is, and why."""

    letter: DeadLetter
    refusal: Refusal


@dataclass(frozen=True, slots=True)
class Redelivered:
    """How many notices are on their way anew; with `has_more` others failed and are not."""

    count: int
    has_more: bool


class Redelivery:
    """Redelivers. Of a group one notice is on its way at a time, so that nothing arrives in the wrong order."""

    def __init__(self, database: Database, announcer: Announcer) -> None:
        self._database = database
        self._announcer = announcer

    async def redeliver(self, notice_id: UUID, *, by: str) -> DeadLetter | NotRedelivered | None:
        """Put one notice on its way anew; None when there is no such notice.

        Raises:
            StorageUnavailableError: the database is away, nothing is known to be changed.
        """
        async with self._database.transaction() as work:
            store = RedeliveryStore(work)
            letters = await store.lock([notice_id])
            if not letters:
                return None
            (letter,) = letters
            refusal = decide_redelivery(letter)
            if refusal is not None:
                return NotRedelivered(letter, refusal)
            rings = await store.begin([letter], principal_id=by)
        self._announcer.announce([], rings)
        return letter

    async def redeliver_all(self, wanted: RedeliveryFilter, *, by: str, limit: int = MAX_REDELIVERED) -> Redelivered:
        """Put up to `limit` failed notices on their way anew, of each group the oldest.

        Raises:
            StorageUnavailableError: the database is away, nothing is known to be changed.
        """
        async with self._database.transaction() as work:
            store = RedeliveryStore(work)
            locked = await store.lock(await store.list_ready(wanted, limit=limit))
            letters = [letter for letter in locked if decide_redelivery(letter) is None]
            rings = await store.begin(letters, principal_id=by) if letters else []
            has_more = await store.has_more(wanted)
        self._announcer.announce([], rings)
        return Redelivered(len(letters), has_more)
