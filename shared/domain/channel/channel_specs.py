"""A channel as people write it: its name, its kind's fields and how it is told, in one flat document; pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, Union, cast, get_args

import msgspec
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, create_model

from shared.domain.channel.channels import ChannelOptions
from shared.domain.channel.notifications import Channel, WebhookChannel, WebhookSecret
from shared.domain.forms import HTTP_URL
from shared.domain.rule.rules import Name


class _Named(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    name: Annotated[Name, Field(description="What rules name the channel by.", examples=["ops"])]


class _KeptWebhook(WebhookChannel):
    """An address that gets a signed POST; one that is kept is looked at when it is written, not when it is told."""

    url: Annotated[str, Field(min_length=8, max_length=4096, pattern=HTTP_URL, examples=["https://hooks.example/ops"])]
    secret: Annotated[WebhookSecret | None, Field(description="Signs what is told; unsigned without one.")] = None


def _kinds() -> dict[str, type[BaseModel]]:
    union, _ = get_args(Channel)
    return {get_args(model.model_fields["kind"].annotation)[0]: model for model in get_args(union)}


def _written(model: type[BaseModel]) -> type[BaseModel]:
    fields = _KeptWebhook if model is WebhookChannel else model
    name = f"{model.__name__}Spec"
    return create_model(name, __base__=(_Named, ChannelOptions, fields), __doc__=fields.__doc__)


CHANNEL_KINDS: Mapping[str, type[BaseModel]] = MappingProxyType(_kinds())
"""The models of what is kept of each kind."""
CHANNEL_SPECS: Mapping[str, type[BaseModel]] = MappingProxyType(
    {kind: _written(model) for kind, model in CHANNEL_KINDS.items()}
)
"""The models of what people write."""
CHANNEL: TypeAdapter[Channel] = TypeAdapter(Channel)
ANY_CHANNEL_SPEC = cast(
    "Any",
    Annotated[Union[tuple(CHANNEL_SPECS.values())], Field(discriminator="kind")],  # noqa: UP007 - made of a tuple
)
_ANY: TypeAdapter[Any] = TypeAdapter(ANY_CHANNEL_SPEC)


@dataclass(frozen=True, slots=True)
class ChannelSpec:
    """A channel as it is asked for."""

    name: str
    channel: Channel
    options: ChannelOptions


def read_channel_spec(document: Mapping[str, Any]) -> ChannelSpec:
    """Read a flat document of JSON.

    Raises:
        ValidationError: it is no channel; the places are those in the document.
    """
    body = msgspec.json.encode(document)
    kind = document.get("kind")
    # Read by the one model of its kind, so that no tag of a union stands between the names of a place.
    model = CHANNEL_SPECS.get(kind) if isinstance(kind, str) else None
    spec: Any = _ANY.validate_json(body) if model is None else model.model_validate_json(body)
    fields = CHANNEL_KINDS[spec.kind]
    return ChannelSpec(
        name=spec.name,
        channel=fields(**_given(spec, fields)),  # type: ignore[arg-type]
        options=ChannelOptions(**_given(spec, ChannelOptions)),
    )


def _given(spec: BaseModel, model: type[BaseModel]) -> dict[str, Any]:
    return {name: getattr(spec, name) for name in model.model_fields if name in spec.model_fields_set}
