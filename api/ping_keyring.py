"""Which ping keys are valid: looked up by their hash, remembered for seconds, so that a revocation is felt at once."""

import asyncio
from uuid import UUID

from api.authentication import MAX_REMEMBERED, TTL_SECONDS
from api.loader import Loader
from shared.domain.access import digest_of
from shared.domain.heartbeat.ping_keys import is_well_formed_ping_key
from shared.services.heartbeat.ping_keys import PingKeys


class PingKeyring:
    """Tells valid keys from others, for one process."""

    def __init__(self, keys: PingKeys) -> None:
        self._loader: Loader[bytes, UUID] = Loader(keys.find_valid, max_pending=1_000)
        self._remembered: dict[bytes, tuple[float, UUID | None]] = {}

    async def find(self, key: str) -> UUID | None:
        """The id of a valid key, None of anything else.

        Raises:
            StorageUnavailableError: the key is not remembered and the database is away.
        """
        if not is_well_formed_ping_key(key):
            return None
        digest, at = digest_of(key), asyncio.get_running_loop().time()
        held = self._remembered.get(digest)
        if held is not None and held[0] > at:
            return held[1]
        found = await self._loader.get(digest)
        # Wrong keys are remembered too, so that guessing does not reach the database; the bound keeps memory flat.
        if len(self._remembered) >= MAX_REMEMBERED:
            self._remembered.clear()
        self._remembered[digest] = (at + TTL_SECONDS, found)
        return found

    def forget_all(self) -> None:
        """This process has changed a key."""
        self._remembered.clear()
