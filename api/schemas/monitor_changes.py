"""How many monitors are changed at once, by a list of changes or by a selection, and what came of it."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from api.schemas.jobs import View
from api.schemas.monitors import MonitorSelection
from shared.domain.monitor.monitor_changes import MAX_CHANGES
from shared.domain.monitor.monitors import MonitorSpec


class MonitorSelectionBody(MonitorSelection):
    """Which monitors to change; to change all of them, say so."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, json_schema_extra={"minProperties": 1})

    all: Annotated[bool, Field(description="All monitors there are, which has to be said.")] = False


SELECTION: TypeAdapter[MonitorSelectionBody] = TypeAdapter(MonitorSelectionBody)


class _Item(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class CreateItem(_Item):
    """Make a monitor whose name is free."""

    op: Literal["create"]
    monitor: MonitorSpec


class UpsertItem(_Item):
    """Make the monitor of this group and name, or make it as it is said."""

    op: Literal["upsert"]
    monitor: MonitorSpec


class UpdateItem(_Item):
    """Change fields by a merge patch, if the version is the one named."""

    op: Literal["update"]
    id: UUID
    patch: dict[str, Any]
    version: Annotated[int, Field(ge=1)] | None = None


class PauseItem(_Item):
    """Stop looking at a monitor, or begin again."""

    op: Literal["pause", "resume"]
    id: UUID


class DeleteItem(_Item):
    """Delete a monitor, if the version is the one named."""

    op: Literal["delete"]
    id: UUID
    version: Annotated[int, Field(ge=1)] | None = None


Item = CreateItem | UpsertItem | UpdateItem | PauseItem | DeleteItem
ITEM: TypeAdapter[Item] = TypeAdapter(Annotated[Item, Field(discriminator="op")])


class MonitorBatchBody(_Item):
    """Up to a thousand changes; each is judged by itself, so that one wrong item does not spoil the others."""

    items: Annotated[list[Any], Field(min_length=1, max_length=MAX_CHANGES)]
    atomic: Annotated[bool, Field(description="Whether one wrong item refuses all.")] = False


BATCH: TypeAdapter[MonitorBatchBody] = TypeAdapter(MonitorBatchBody)


class MonitorBatchItemView(View):
    """What became of one item: `id` and `result` when it was done, `problem` when it was not."""

    status: int
    id: UUID | None = None
    result: Literal["created", "changed", "unchanged", "deleted"] | None = None
    location: str | None = None
    problem: dict[str, Any] | None = None


class MonitorBatchView(View):
    """What became of each item, in the order they were sent."""

    done: int
    refused: int
    results: list[MonitorBatchItemView]


class SelectionResultView(View):
    """How many monitors were changed; with `more` there are others: send the request again."""

    changed: int
    more: bool
