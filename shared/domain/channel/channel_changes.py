"""What is asked for of channels, one change each, and what comes of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from shared.domain.change_results import CannotSeal, Done, NotDone
from shared.domain.channel.channels import ChannelOptions, KeptChannel
from shared.domain.monitor.target_documents import WrongPlaceError


@dataclass(frozen=True, slots=True)
class KeptConfig:
    """A channel's fields as they are kept: `text` is their JSON, sealed when they hold secrets."""

    kind: str
    text: str
    is_sealed: bool
    shown: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StoredChannel:
    """A channel with its fields as they are kept; a deleted one owes resolves still."""

    channel: KeptChannel
    config: KeptConfig
    deleted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ChannelDraft:
    """A channel as it is to be written."""

    channel_id: UUID
    name: str
    config: KeptConfig
    options: ChannelOptions


@dataclass(frozen=True, slots=True)
class CreateChannel:
    """Make a channel whose name is free, of a flat document."""

    channel_id: UUID
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PutChannel:
    """Make the channel of the document's name, or make it as it is said; a new one gets the id."""

    channel_id: UUID
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PatchChannel:
    """Change fields by a merge patch (RFC 7396); None of `versions` allows any."""

    channel_id: UUID
    patch: Mapping[str, Any]
    versions: frozenset[int] | None = None


@dataclass(frozen=True, slots=True)
class SwitchChannel:
    """Stop telling a channel of what fires, giving a reason, or begin again."""

    channel_id: UUID
    is_enabled: bool
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class DeleteChannel:
    """Delete a channel that no rule names; None of `versions` allows any."""

    channel_id: UUID
    versions: frozenset[int] | None = None


ChannelChange = CreateChannel | PutChannel | PatchChannel | SwitchChannel | DeleteChannel


@dataclass(frozen=True, slots=True)
class NamingRule:
    """A rule that names a channel."""

    rule_id: UUID
    name: str


@dataclass(frozen=True, slots=True)
class ChannelInUse:
    """Rules name the channel, so that it keeps its name and stays; not all of them need be listed."""

    rules: tuple[NamingRule, ...]


@dataclass(frozen=True, slots=True)
class InvalidChannel:
    """It would be no channel; the error says where."""

    error: ValidationError | WrongPlaceError


ChannelNotDone = NotDone | CannotSeal | ChannelInUse | InvalidChannel
ChannelResult = Done | ChannelNotDone
