"""Pings as they are told, and the keys of slug URLs."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from api.schemas.jobs import View
from api.schemas.queries import Cursor, QueryModel
from shared.domain.heartbeat.ping_keys import PingKey
from shared.domain.heartbeat.pings import PingKind
from shared.storage.heartbeat.ping_store import KEPT_PINGS, KeptPing


class PingListQuery(QueryModel):
    """Which pings to list."""

    limit: int = Field(default=50, ge=0, description=f"At most {KEPT_PINGS}; more is cut, 0 is the default.")
    cursor: Cursor = None


class PingView(View):
    """A ping as it came."""

    number: int = Field(description="The how-manieth of its heartbeat.")
    at: datetime
    kind: PingKind
    run_id: UUID | None = Field(description="What tells its run apart: `rid`.")
    exit_status: int | None
    duration_ms: float | None = Field(description="How long the run took that it ended.")
    scheme: str
    method: str
    user_agent: str
    remote_address: str = Field(description="Who was connected: the reverse proxy where there is one.")
    body_bytes: int | None = Field(description="How much of a body is kept; null where there was none.")


class PingPage(View):
    """The newest pings first."""

    items: list[PingView]
    next_cursor: str | None = Field(description="Leads to the next page; null is the only sign of the end.")


class PingKeyBody(BaseModel):
    """A ping key to make."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=100, strict=True, description="What the key is for.")]


PING_KEY_BODY: TypeAdapter[PingKeyBody] = TypeAdapter(PingKeyBody)


class PingKeyView(View):
    """A ping key as remembered; the key itself is not."""

    id: UUID
    name: str
    hint: str = Field(description="How the key begins.")
    created_at: datetime
    created_by: str
    revoked_at: datetime | None


class CreatedPingKeyView(PingKeyView):
    """A new ping key; `key` is shown this once."""

    key: str


class PingKeyPage(View):
    """All ping keys, the newest first."""

    items: list[PingKeyView]
    next_cursor: None = None


def ping_json(ping: KeptPing) -> dict[str, object]:
    """The ping as `PingView` describes it."""
    return {
        "number": ping.number,
        "at": ping.at,
        "kind": ping.kind.value,
        "run_id": None if ping.run_id is None else str(ping.run_id),
        "exit_status": ping.exit_status,
        "duration_ms": ping.duration_ms,
        "scheme": ping.scheme,
        "method": ping.method,
        "user_agent": ping.user_agent,
        "remote_address": ping.remote_address,
        "body_bytes": ping.body_bytes,
    }


def ping_key_json(key: PingKey) -> dict[str, object]:
    """The key as `PingKeyView` describes it."""
    return {
        "id": str(key.key_id),
        "name": key.name,
        "hint": key.hint,
        "created_at": key.created_at,
        "created_by": key.created_by,
        "revoked_at": key.revoked_at,
    }
