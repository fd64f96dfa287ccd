"""Finds the series of targets, making those that are not there."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from shared.storage.database import Database, UnitOfWork

REMEMBERED_SERIES = 100_000
"""How many series one process remembers; about 20 MB when all are used."""


@dataclass(frozen=True, slots=True)
class SeriesEntry:
    """What a series is found by (32 bytes), and what is written when it is new; `name` holds no secret."""

    identity: bytes
    kind: str
    name: str
    labels: Mapping[str, str]


class SeriesDirectory:
    """Resolves targets to series; remembers, so that what is collected again costs no query."""

    def __init__(self, database: Database, *, capacity: int = REMEMBERED_SERIES) -> None:
        self._database = database
        self._capacity = capacity
        self._known: OrderedDict[bytes, int] = OrderedDict()

    async def resolve(self, entries: Sequence[SeriesEntry]) -> list[int]:
        """The ids of the entries' series, in their order; those that are new are committed before this returns."""
        found = {entry.identity: self._known[entry.identity] for entry in entries if entry.identity in self._known}
        missing = {entry.identity: entry for entry in entries if entry.identity not in found}
        if missing:
            async with self._database.transaction() as work:
                found |= await _find_or_create(work, missing)
        self._remember(found)
        return [found[entry.identity] for entry in entries]

    def _remember(self, found: Mapping[bytes, int]) -> None:
        for identity, series_id in found.items():
            self._known[identity] = series_id
            self._known.move_to_end(identity)
        while len(self._known) > self._capacity:
            self._known.popitem(last=False)


async def _find_or_create(work: UnitOfWork, entries: Mapping[bytes, SeriesEntry]) -> dict[bytes, int]:
    """Look first: a refused insert would use up a number of the sequence each time."""
    found = await _find(work, list(entries))
    # In the order of their identities, so that two who make the same series do not deadlock.
    new = sorted((entry for identity, entry in entries.items() if identity not in found), key=lambda e: e.identity)
    if new:
        await work.run(
            """
            insert into series (identity, kind, name, labels)
            select i, k, n, l::jsonb from unnest($1::bytea[], $2::text[], $3::text[], $4::text[]) e(i, k, n, l)
            on conflict (identity) do nothing
            """,
            [entry.identity for entry in new],
            [entry.kind for entry in new],
            [entry.name for entry in new],
            [msgspec.json.encode(dict(entry.labels)).decode() for entry in new],
        )
        found |= await _find(work, [entry.identity for entry in new])
    return found


async def _find(work: UnitOfWork, identities: Sequence[bytes]) -> dict[bytes, int]:
    rows = await work.fetch(
        "select identity, series_id from series where identity = any($1::bytea[])", list(identities)
    )
    return dict(rows)  # type: ignore[arg-type]  # A row of two is a pair.
