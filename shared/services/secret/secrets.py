"""The values of secrets for those who send them, read a few seconds ago at most and never written anywhere."""

import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog

from shared.storage.database import Database
from shared.storage.secret.secret_store import SealedSecret, SecretStore
from shared.vault import NoSecretKeyError, UnreadableSecretError, Vault

_log = structlog.get_logger()

FRESH_SECONDS = 3.0
"""How long a value counts as the present one: a changed secret is used everywhere after so long."""
REMEMBERED_SECRETS = 10_000


@dataclass(frozen=True, slots=True)
class _Known:
    """What was read of a name: sealed, which no two are alike, and in clear; neither when there is no such secret."""

    read_at: float
    sealed: str | None = None
    value: str | None = None


class SecretValues:
    """The values of one process; nothing but this memory holds them unsealed."""

    def __init__(self, database: Database, vault: Vault, *, fresh_seconds: float = FRESH_SECONDS) -> None:
        self._database = database
        self._vault = vault
        self._fresh_seconds = fresh_seconds
        self._known: OrderedDict[str, _Known] = OrderedDict()

    async def load(self, names: Sequence[str]) -> Mapping[str, str]:
        """The values by name; a secret that does not exist or cannot be unsealed is left out.

        Raises:
            StorageUnavailableError: the database is away; what was read before may no longer be true.
        """
        now = time.monotonic()
        stale = [name for name in names if not self._is_fresh(name, now)]
        if stale:
            async with self._database.one_statement() as work:
                found = {secret.name: secret for secret in await SecretStore(work).find_sealed(stale)}
            for name in stale:
                self._remember(name, self._read(name, found.get(name), now))
        values = {name: self._known[name].value for name in names if name in self._known}
        while len(self._known) > REMEMBERED_SECRETS:
            self._known.popitem(last=False)
        return {name: value for name, value in values.items() if value is not None}

    def _is_fresh(self, name: str, now: float) -> bool:
        known = self._known.get(name)
        return known is not None and now - known.read_at < self._fresh_seconds

    def _remember(self, name: str, known: _Known) -> None:
        self._known[name] = known
        self._known.move_to_end(name)

    def _read(self, name: str, sealed: SealedSecret | None, now: float) -> _Known:
        if sealed is None:
            return _Known(now)
        known = self._known.get(name)
        if known is not None and known.value is not None and known.sealed == sealed.value:
            return _Known(now, known.sealed, known.value)
        try:
            return _Known(now, sealed.value, self._vault.unseal(sealed.value))
        except (NoSecretKeyError, UnreadableSecretError) as error:
            _log.error("secret_unreadable", name=name, reason=str(error))
            return _Known(now)
