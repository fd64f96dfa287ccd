"""What a client may say over a WebSocket."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from api.schemas.live import LiveFilterModel

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Authenticate(_Message):
    """Show a key, because a browser cannot send it in a header."""

    type: Literal["authenticate"]
    key: Annotated[str, Field(max_length=200, repr=False)]


class Subscribe(_Message):
    """Be told events under a name; one that is taken is given up for this. `after` is the last id that was seen."""

    type: Literal["subscribe"]
    subscription: Name = "events"
    filter: LiveFilterModel = LiveFilterModel()
    after: Annotated[str | None, Field(max_length=100)] = None


class Unsubscribe(_Message):
    """Be told no more under a name."""

    type: Literal["unsubscribe"]
    subscription: Name = "events"


class Ping(_Message):
    """Ask whether somebody is there; answered by `pong`."""

    type: Literal["ping"]


Message = Annotated[Authenticate | Subscribe | Unsubscribe | Ping, Field(discriminator="type")]
MESSAGE: TypeAdapter[Authenticate | Subscribe | Unsubscribe | Ping] = TypeAdapter(Message)
