"""Ping keys: made, listed, revoked, and looked up by their hash."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from uuid_utils.compat import uuid7

from shared.clock import Clock
from shared.domain.access import HINT_LENGTH, digest_of
from shared.domain.heartbeat.ping_keys import KEY_BYTES, PingKey
from shared.storage.database import Database
from shared.storage.heartbeat.ping_key_store import PingKeyStore


@dataclass(frozen=True, slots=True)
class CreatedPingKey:
    """A new key: `secret` is shown this once and stored nowhere."""

    key: PingKey
    secret: str


class PingKeys:
    """What the API does with ping keys."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def create(self, name: str, *, created_by: str) -> CreatedPingKey:
        """Make a key. `created_by` is the principal's id."""
        secret = secrets.token_urlsafe(KEY_BYTES)
        key = PingKey(uuid7(), name, digest_of(secret), secret[:HINT_LENGTH], self._clock(), created_by, None)
        async with self._database.transaction() as work:
            await PingKeyStore(work).insert(key)
        return CreatedPingKey(key=key, secret=secret)

    async def list_keys(self) -> list[PingKey]:
        """All keys, the newest first, revoked ones too."""
        async with self._database.transaction() as work:
            return await PingKeyStore(work).list_keys()

    async def revoke(self, key_id: UUID) -> PingKey | None:
        """Revoke a key for good; None when there is no such key. Other processes follow within seconds."""
        async with self._database.transaction() as work:
            return await PingKeyStore(work).mark_revoked(key_id, now=self._clock())

    async def find_valid(self, digests: Sequence[bytes]) -> dict[bytes, UUID]:
        """The ids of the valid keys among those with these hashes."""
        async with self._database.transaction() as work:
            return await PingKeyStore(work).find_valid(digests)
