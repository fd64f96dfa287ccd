"""Sealing everything anew by the first key, while everything runs, so that older keys can go."""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from shared.services.job.job_secrets import JobSecrets
from shared.storage.database import Database
from shared.storage.secret.sealed_store import Sealed, SealedPlace, SealedStore
from shared.vault import UnreadableSecretError, Vault

BATCH = 200
"""Rows of one transaction: some milliseconds, for which nobody notices a lock."""


@dataclass(frozen=True, slots=True)
class Rotated:
    """What became of the rows of a place.

    `current` were sealed by the first key already, `unreadable` by a key that is not there; `changed` had others write
    to them meanwhile.
    """

    place: SealedPlace
    resealed: int = 0
    current: int = 0
    unreadable: int = 0
    changed: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether no older key is needed for the place any more."""
        return self.unreadable == 0 and self.changed == 0


class KeyRotation:
    """Walks through all that is sealed. Stopped halfway and started again it passes by what is done."""

    def __init__(self, database: Database, vault: Vault, *, batch: int = BATCH) -> None:
        self._database = database
        self._vault = vault
        self._jobs = JobSecrets(vault)
        self._batch = batch

    async def rotate(self, place: SealedPlace, *, on_batch: Callable[[Rotated], None] = lambda _: None) -> Rotated:
        """Seal all rows of a place by the first key.

        Raises:
            NoSecretKeyError: there is no key.
            StorageUnavailableError: the database is away; what was done stays done.
        """
        after: object | None = None
        done = Rotated(place)
        while True:
            # What is read here may be written by others before it is replaced: then it stands, and is counted.
            async with self._database.transaction() as work:
                rows = await SealedStore(work).list_sealed(place, after=after, limit=self._batch)
            if not rows:
                return done
            after = rows[-1].key
            done = await self._reseal(rows, done)
            on_batch(done)

    async def _reseal(self, rows: list[Sealed], done: Rotated) -> Rotated:
        changes, current, unreadable = [], 0, 0
        for row in rows:
            try:
                values = tuple(None if value is None else self._resealed(done.place, value) for value in row.values)
            except UnreadableSecretError:
                unreadable += 1
                continue
            if values == row.values:
                current += 1
            else:
                changes.append((row, Sealed(row.key, values)))
        written = 0
        if changes:
            async with self._database.transaction() as work:
                written = await SealedStore(work).replace(done.place, changes)
        return Rotated(
            place=done.place,
            resealed=done.resealed + written,
            current=done.current + current,
            unreadable=done.unreadable + unreadable,
            changed=done.changed + len(changes) - written,
        )

    def _resealed(self, place: SealedPlace, value: str) -> str:
        if place is not SealedPlace.JOBS:
            return self._vault.reseal(value)
        kept = msgspec.json.decode(value)
        resealed = self._jobs.reseal(kept)
        return value if resealed is None or resealed == kept else msgspec.json.encode(resealed).decode()
