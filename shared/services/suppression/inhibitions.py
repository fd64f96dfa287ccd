"""Inhibitions and dependencies: made, replaced and deleted."""

from dataclasses import replace

from shared.domain.suppression.inhibitions import Inhibition
from shared.services.suppression.suppression_bounds import TooManyError
from shared.storage.database import Database
from shared.storage.suppression.inhibition_store import InhibitionStore


class NameTakenError(Exception):
    """Another inhibition has the name; nothing was changed."""


class Inhibitions:
    """Inhibitions of an installation."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def make(self, inhibition: Inhibition) -> None:
        """Keep a new one.

        Raises:
            NameTakenError: another one has its name.
            TooManyError: there are as many as may be.
        """
        async with self._database.transaction() as work:
            store = InhibitionStore(work)
            await store.lock_all()
            if await store.is_full():
                raise TooManyError
            if not await store.put(inhibition):
                raise NameTakenError

    async def replace(self, wanted: Inhibition) -> Inhibition | None:
        """Make the one of this id what is wanted, but for who made it and when; None when there is none.

        Raises:
            NameTakenError: another one has the name.
        """
        async with self._database.transaction() as work:
            store = InhibitionStore(work)
            await store.lock_all()
            kept = await store.find(wanted.inhibition_id)
            if kept is None:
                return None
            changed = replace(wanted, created_at=kept.created_at, created_by=kept.created_by)
            if not await store.put(changed):
                raise NameTakenError
        return changed
