"""Secrets as they are kept: sealed values by name, and which monitors name them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from shared.storage.database import UnitOfWork

_ENTRY = """
    s.name, s.version, s.updated_at, s.updated_by,
    (select count(*) from monitors m where m.secret_names @> array[s.name]) as monitors
"""


@dataclass(frozen=True, slots=True)
class SealedSecret:
    """A secret's value as the vault sealed it; `version` grows with each change."""

    name: str
    version: int
    value: str


@dataclass(frozen=True, slots=True)
class SecretEntry:
    """What people may know of a secret: everything but its value. `monitors` is how many name it."""

    name: str
    version: int
    updated_at: datetime
    updated_by: str
    monitors: int


@dataclass(frozen=True, slots=True)
class NamingMonitor:
    """A monitor whose target names a secret."""

    monitor_id: UUID
    group: str
    name: str


class SecretStore:
    """Reads and writes secrets within one unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def find_sealed(self, names: Sequence[str]) -> list[SealedSecret]:
        """The secrets there are among `names`."""
        rows = await self._work.fetch(
            "select name, version, value from secrets where name = any($1::text[])", list(names)
        )
        return [SealedSecret(row.name, row.version, row.value) for row in rows]

    async def put(self, name: str, sealed: str, *, updated_by: str) -> bool:
        """Set a secret; whether there was none of this name."""
        rows = await self._work.fetch(
            """
            insert into secrets as s (name, value, updated_by) values ($1, $2, $3)
            on conflict (name) do update
            set value = excluded.value, updated_by = excluded.updated_by, version = s.version + 1, updated_at = now()
            returning version
            """,
            name,
            sealed,
            updated_by,
        )
        return bool(rows[0].version == 1)

    async def find(self, name: str) -> SecretEntry | None:
        """What may be known of a secret."""
        rows = await self._work.fetch(f"select {_ENTRY} from secrets s where s.name = $1", name)
        return _entry_of(rows[0]) if rows else None

    async def list_entries(self, *, after: str, limit: int) -> list[SecretEntry]:
        """The secrets in the order of their names, on from `after`."""
        rows = await self._work.fetch(
            f'select {_ENTRY} from secrets s where s.name collate "C" > $1 order by s.name collate "C" limit $2',
            after,
            limit,
        )
        return [_entry_of(row) for row in rows]

    async def list_naming(self, name: str, *, limit: int) -> list[NamingMonitor]:
        """Monitors whose target names the secret, in the order of their groups and names."""
        rows = await self._work.fetch(
            """
            select monitor_id, group_name, name from monitors where secret_names @> array[$1::text]
            order by group_name, name limit $2
            """,
            name,
            limit,
        )
        return [NamingMonitor(row.monitor_id, row.group_name, row.name) for row in rows]

    async def delete(self, name: str) -> bool:
        """Remove a secret; whether there was one."""
        return (await self._work.run("delete from secrets where name = $1", name)).rowcount > 0


def _entry_of(row: Row[Any]) -> SecretEntry:
    return SecretEntry(row.name, row.version, row.updated_at, row.updated_by, row.monitors)
