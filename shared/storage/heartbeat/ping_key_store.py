"""Ping keys in the database."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from shared.domain.heartbeat.ping_keys import PingKey
from shared.storage.database import UnitOfWork

_COLUMNS = "key_id, name, digest, hint, created_at, created_by, revoked_at"
LIST_LIMIT = 1000
"""The most keys listed; a key is an operator's act, so that this is far above what there is."""


class PingKeyStore:
    """Reads and writes keys within one unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def insert(self, key: PingKey) -> None:
        """Add a key."""
        await self._work.run(
            f"insert into ping_keys ({_COLUMNS}) values ($1, $2, $3, $4, $5, $6, $7)",
            key.key_id,
            key.name,
            key.digest,
            key.hint,
            key.created_at,
            key.created_by,
            key.revoked_at,
        )

    async def find_valid(self, digests: Sequence[bytes]) -> dict[bytes, UUID]:
        """The ids of the keys that open anything, among those with these hashes."""
        rows = await self._work.fetch(
            "select digest, key_id from ping_keys where digest = any($1::bytea[]) and revoked_at is null", list(digests)
        )
        return {row.digest: row.key_id for row in rows}

    async def list_keys(self) -> list[PingKey]:
        """All keys, the newest first, revoked ones too."""
        rows = await self._work.fetch(f"select {_COLUMNS} from ping_keys order by key_id desc limit {LIST_LIMIT}")
        return [_key_of(row) for row in rows]

    async def mark_revoked(self, key_id: UUID, *, now: datetime) -> PingKey | None:
        """Revoke a key, keeping the moment of the first time; None when there is no such key."""
        rows = await self._work.fetch(
            f"update ping_keys set revoked_at = coalesce(revoked_at, $2) where key_id = $1 returning {_COLUMNS}",
            key_id,
            now,
        )
        return _key_of(rows[0]) if rows else None


def _key_of(row: Row[Any]) -> PingKey:
    return PingKey(
        key_id=row.key_id,
        name=row.name,
        digest=row.digest,
        hint=row.hint,
        created_at=row.created_at,
        created_by=row.created_by,
        revoked_at=row.revoked_at,
    )
