"""Who sends a request: keys looked up by their hash, remembered for seconds, so that a revocation is felt at once."""

import asyncio
import hmac

from api.loader import Loader
from shared.domain.access import ADMIN_KEY, LOCAL, Principal, digest_of, is_well_formed_key
from shared.services.access import Access

TTL_SECONDS = 2.0
"""How long a key that was revoked by another process still opens."""

MAX_REMEMBERED = 10_000
_BEARER = b"bearer "


class Authentication:
    """Tells who holds a key; with `is_keyless` a request without one is this machine's own and has every right."""

    def __init__(self, access: Access, *, admin_key: str | None, is_keyless: bool) -> None:
        self.is_keyless = is_keyless
        self._admin_digest = None if admin_key is None else digest_of(admin_key)
        self._loader: Loader[bytes, Principal] = Loader(access.find_principals, max_pending=1_000)
        self._remembered: dict[bytes, tuple[float, Principal | None]] = {}

    async def identify(self, headers: dict[bytes, bytes]) -> Principal | None:
        """Who the request's headers say it is; None for no key where one is needed, and for a wrong one.

        Raises:
            StorageUnavailableError: the key is not remembered and the database is away.
        """
        presented = presented_key(headers)
        if presented is None:
            return LOCAL if self.is_keyless else None
        digest = digest_of(presented)
        if self._admin_digest is not None and hmac.compare_digest(digest, self._admin_digest):
            return ADMIN_KEY
        at = asyncio.get_running_loop().time()
        held = self._remembered.get(digest)
        if held is not None and held[0] > at:
            return held[1]
        if not is_well_formed_key(presented):
            return None
        return self._remember(digest, await self._loader.get(digest), at=at)

    def forget_all(self) -> None:
        """This process has changed a key."""
        self._remembered.clear()

    def _remember(self, digest: bytes, principal: Principal | None, *, at: float) -> Principal | None:
        # Wrong keys are remembered too, so that guessing does not reach the database; the bound keeps memory flat.
        if len(self._remembered) >= MAX_REMEMBERED:
            self._remembered.clear()
        self._remembered[digest] = (at + TTL_SECONDS, principal)
        return principal


def presented_key(headers: dict[bytes, bytes]) -> str | None:
    """The key in `Authorization: Bearer …` or `X-API-Key: …`; another scheme counts as a wrong key."""
    authorization = headers.get(b"authorization")
    if authorization is not None:
        is_bearer = authorization[: len(_BEARER)].lower() == _BEARER
        return authorization[len(_BEARER) :].strip().decode("latin-1") if is_bearer else ""
    key = headers.get(b"x-api-key")
    return None if key is None else key.decode("latin-1")
