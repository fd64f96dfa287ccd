"""Who may do what: scopes, principals, and API keys whose prefix shows their scope."""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class Scope(StrEnum):
    """The rights a key carries; each includes those before it."""

    READ = "read"
    SUBMIT = "submit"
    ADMIN = "admin"

    def includes(self, needed: "Scope") -> bool:
        """Whether this scope is enough where `needed` is asked for."""
        return _RANK[self] >= _RANK[needed]


_RANK = {scope: rank for rank, scope in enumerate(Scope)}
_KEY = re.compile(rf"tocsin_({'|'.join(Scope)})_([A-Za-z0-9_-]{{32,64}})")
HINT_LENGTH = 4
"""How many characters of a key are kept readable, so that its owner can tell it from others."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who sends a request; idempotency keys belong to `principal_id`."""

    principal_id: str
    scope: Scope
    name: str


LOCAL = Principal(principal_id="local", scope=Scope.ADMIN, name="this machine")
"""Whoever reaches an embedded Tocsin that is bound to loopback."""

PINGER = Principal(principal_id="ping", scope=Scope.READ, name="whoever knows a ping URL")
"""Whoever pings: the URL itself is what lets in, and it opens nothing else."""

ADMIN_KEY = Principal(principal_id="admin-key", scope=Scope.ADMIN, name="TOCSIN_ADMIN_KEY")
"""Whoever holds the key of the setting."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as remembered: its SHA-256 only. `hint` is how the secret part begins."""

    key_id: UUID
    name: str
    scope: Scope
    digest: bytes
    hint: str
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None

    @property
    def principal(self) -> Principal:
        """Who a request with this key comes from."""
        return Principal(principal_id=f"key:{self.key_id}", scope=self.scope, name=self.name)

    def is_valid_at(self, now: datetime) -> bool:
        """Whether the key opens anything at `now`."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def format_key(scope: Scope, secret: str) -> str:
    """The key that is handed out once; `secret` is 32 to 64 characters of base64url from a safe source."""
    return f"tocsin_{scope}_{secret}"


def is_well_formed_key(text: str) -> bool:
    """Whether `text` has the shape of a key, so that anything else need not be looked up."""
    return _KEY.fullmatch(text) is not None


def digest_of(key: str) -> bytes:
    """What is stored of a key: its SHA-256. A key is 192 random bits or more: a slow hash would add nothing."""
    return hashlib.sha256(key.encode()).digest()
