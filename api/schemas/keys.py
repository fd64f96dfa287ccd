"""API keys over HTTP."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from api.schemas.jobs import View
from api.schemas.moments import Moment
from shared.domain.access import ApiKey, Scope


class KeyBody(BaseModel):
    """A key to make."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=100, strict=True, description="What the key is for.")]
    scope: Scope
    expires_at: Annotated[Moment | None, Field(description="From when on the key opens nothing.")] = None


KEY_BODY: TypeAdapter[KeyBody] = TypeAdapter(KeyBody)


class KeyView(View):
    """A key as remembered; its secret is not."""

    id: UUID
    name: str
    scope: Scope
    hint: str = Field(description="How the secret part begins.")
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None


class CreatedKeyView(KeyView):
    """A new key; `key` is shown this once."""

    key: str


class KeyPage(View):
    """All keys, the newest first."""

    items: list[KeyView]
    next_cursor: None = None


def key_json(key: ApiKey) -> dict[str, object]:
    """The key as `KeyView` describes it."""
    return {
        "id": str(key.key_id),
        "name": key.name,
        "scope": key.scope.value,
        "hint": key.hint,
        "created_at": key.created_at,
        "created_by": key.created_by,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
    }
