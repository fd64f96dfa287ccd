"""What admins ask a process about itself."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from api.profiling import ProfileFormat
from api.schemas.jobs import View


class ProfileBody(BaseModel):
    """A profile to take."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seconds: Annotated[int, Field(ge=1, le=30, strict=True, description="How long to look.", examples=[5])]
    format: Annotated[ProfileFormat, Field(description="How to write it.")] = ProfileFormat.TEXT


PROFILE_BODY: TypeAdapter[ProfileBody] = TypeAdapter(ProfileBody)


class TaskView(View):
    """A task and where it waits: file, line and function, the outermost first."""

    name: str
    coroutine: str
    stack: list[str]


class TasksView(View):
    """The event loop's tasks by their names; `total` counts those left out too."""

    total: int
    items: list[TaskView]
