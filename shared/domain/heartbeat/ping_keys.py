"""Ping keys: what goes before the slug in a ping URL, as Healthchecks has it."""

import re
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

KEY_BYTES = 16
"""Of a random source; in base64url 22 characters, the length of Healthchecks' keys."""

_KEY = re.compile(r"[A-Za-z0-9_-]{22}")


@dataclass(frozen=True, slots=True)
class PingKey:
    """A key as remembered: its SHA-256 only. `hint` is how it begins."""

    key_id: UUID
    name: str
    digest: bytes
    hint: str
    created_at: datetime
    created_by: str
    revoked_at: datetime | None


def is_well_formed_ping_key(text: str) -> bool:
    """Whether `text` has the shape of a key, so that anything else need not be looked up."""
    return _KEY.fullmatch(text) is not None
