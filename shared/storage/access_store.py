"""API keys in the database."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from shared.domain.access import ApiKey, Scope
from shared.storage.database import UnitOfWork

_COLUMNS = "key_id, name, scope, digest, hint, created_at, created_by, expires_at, revoked_at"
LIST_LIMIT = 1000
"""The most keys listed; a key is an operator's act, so that this is far above what there is."""


class AccessStore:
    """Reads and writes keys within one unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def insert(self, key: ApiKey) -> None:
        """Add a key."""
        await self._work.run(
            f"insert into api_keys ({_COLUMNS}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            key.key_id,
            key.name,
            key.scope.value,
            key.digest,
            key.hint,
            key.created_at,
            key.created_by,
            key.expires_at,
            key.revoked_at,
        )

    async def find_by_digests(self, digests: Sequence[bytes]) -> dict[bytes, ApiKey]:
        """The keys there are among those with these hashes, revoked ones too."""
        rows = await self._work.fetch(f"select {_COLUMNS} from api_keys where digest = any($1::bytea[])", list(digests))
        return {row.digest: _key_of(row) for row in rows}

    async def list_keys(self) -> list[ApiKey]:
        """All keys, the newest first, revoked ones too."""
        rows = await self._work.fetch(f"select {_COLUMNS} from api_keys order by key_id desc limit {LIST_LIMIT}")
        return [_key_of(row) for row in rows]

    async def has_valid(self, *, now: datetime) -> bool:
        """Whether any key opens anything."""
        rows = await self._work.fetch(
            "select 1 from api_keys where revoked_at is null and (expires_at is null or expires_at > $1) limit 1", now
        )
        return bool(rows)

    async def mark_revoked(self, key_id: UUID, *, now: datetime) -> ApiKey | None:
        """Revoke a key, keeping the moment of the first time; None when there is no such key."""
        rows = await self._work.fetch(
            f"update api_keys set revoked_at = coalesce(revoked_at, $2) where key_id = $1 returning {_COLUMNS}",
            key_id,
            now,
        )
        return _key_of(rows[0]) if rows else None


def _key_of(row: Row[Any]) -> ApiKey:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name of a row's mapping
    return ApiKey(**values | {"scope": Scope(row.scope)})
