"""API keys: made, listed, revoked, and looked up by their hash."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from uuid_utils.compat import uuid7

from shared.clock import Clock
from shared.domain.access import HINT_LENGTH, ApiKey, Principal, Scope, digest_of, format_key
from shared.storage.access_store import AccessStore
from shared.storage.database import Database

_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class CreatedKey:
    """A new key: `secret` is shown this once and stored nowhere."""

    key: ApiKey
    secret: str


class Access:
    """What the API, the command line and the start-up check do with keys."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def create(
        self, name: str, scope: Scope, *, created_by: str, expires_at: datetime | None = None
    ) -> CreatedKey:
        """Make a key. `created_by` is the principal's id."""
        token = secrets.token_urlsafe(_SECRET_BYTES)
        secret = format_key(scope, token)
        key = ApiKey(
            key_id=uuid7(),
            name=name,
            scope=scope,
            digest=digest_of(secret),
            hint=token[:HINT_LENGTH],
            created_at=self._clock(),
            created_by=created_by,
            expires_at=expires_at,
            revoked_at=None,
        )
        async with self._database.transaction() as work:
            await AccessStore(work).insert(key)
        return CreatedKey(key=key, secret=secret)

    async def list_keys(self) -> list[ApiKey]:
        """All keys, the newest first, revoked ones too."""
        async with self._database.transaction() as work:
            return await AccessStore(work).list_keys()

    async def revoke(self, key_id: UUID) -> ApiKey | None:
        """Revoke a key for good; None when there is no such key. Other processes follow within seconds."""
        async with self._database.transaction() as work:
            return await AccessStore(work).mark_revoked(key_id, now=self._clock())

    async def has_valid_key(self) -> bool:
        """Whether anybody could get in with a key of the database."""
        async with self._database.transaction() as work:
            return await AccessStore(work).has_valid(now=self._clock())

    async def find_principals(self, digests: Sequence[bytes]) -> dict[bytes, Principal]:
        """Who holds the valid keys among those with these hashes."""
        async with self._database.transaction() as work:
            found = await AccessStore(work).find_by_digests(digests)
        now = self._clock()
        return {digest: key.principal for digest, key in found.items() if key.is_valid_at(now)}
