"""Secrets over HTTP: set and replaced, never shown."""

from datetime import datetime
from typing import Annotated

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field, SecretStr, TypeAdapter

from api.schemas.jobs import View
from api.schemas.queries import Cursor, QueryModel
from shared.domain.forms import SECRET_NAME
from shared.storage.secret.secret_store import SecretEntry

MAX_VALUE = 10_000

SecretName = Annotated[
    str,
    Path(pattern=SECRET_NAME, description="What targets name it by: `{{secret:NAME}}`.", examples=["SHOP_DB"]),
]


class SecretListQuery(QueryModel):
    """Which secrets to list."""

    limit: int = Field(default=100, ge=0, description="At most 200; more is cut, 0 is the default.")
    cursor: Cursor = None


class SecretDeleteQuery(QueryModel):
    """Whether to delete a secret that is in use."""

    force: Annotated[bool, Field(description="Delete it although monitors name it; they end as `error`.")] = False


class SecretBody(BaseModel):
    """A secret's value."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    value: Annotated[SecretStr, Field(min_length=1, max_length=MAX_VALUE, description="Never shown again.")]


SECRET_BODY: TypeAdapter[SecretBody] = TypeAdapter(SecretBody)


class SecretView(View):
    """A secret without its value."""

    name: str
    version: int = Field(description="Grows with each change.")
    updated_at: datetime
    updated_by: str
    monitors: int = Field(description="How many monitors name it.")


class SecretPage(View):
    """Secrets in the order of their names."""

    items: list[SecretView]
    next_cursor: str | None = Field(description="Leads to the next page; null is the only sign of the end.")


def secret_json(entry: SecretEntry) -> dict[str, object]:
    """A secret as `SecretView` describes it."""
    return {
        "name": entry.name,
        "version": entry.version,
        "updated_at": entry.updated_at,
        "updated_by": entry.updated_by,
        "monitors": entry.monitors,
    }
