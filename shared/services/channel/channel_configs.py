"""Channels' fields on their way into the database and back: sealed when they hold secrets, masked for people."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from shared.domain.channel.channel_changes import ChannelDraft, KeptConfig, StoredChannel
from shared.domain.channel.channel_documents import (
    check_place,
    check_unmasked,
    document_of,
    keep_secrets,
    options_document,
)
from shared.domain.channel.channel_identity import has_channel_secrets, mask_channel
from shared.domain.channel.channel_specs import CHANNEL, ChannelSpec, read_channel_spec
from shared.domain.channel.channels import ChannelOptions
from shared.domain.channel.notifications import Channel
from shared.domain.merge_patch import merge_patch
from shared.domain.monitor.target_documents import WrongPlaceError
from shared.domain.notice.notice_words import check_templates
from shared.domain.template.template_environment import TemplateError
from shared.storage.channel.channel_store import ChannelStore
from shared.storage.database import UnitOfWork
from shared.vault import Vault

_NEVER = "repeat_interval"
"""The option whose null means something, so that a patch's null does not take it out."""


@dataclass(frozen=True, slots=True)
class LoadedChannel:
    """A channel as it is told: `channel` with its secrets, in memory only. A deleted one is told what it is owed."""

    channel_id: UUID
    name: str
    channel: Channel
    options: ChannelOptions
    disabled_at: datetime | None
    disabled_reason: str | None
    deleted_at: datetime | None
    failures: int
    """Tries in a row that were not delivered."""


async def load_channel(work: UnitOfWork, channel_id: UUID, vault: Vault) -> LoadedChannel | None:
    """The channel to tell; None when nothing is left of it.

    Raises:
        NoSecretKeyError: it is sealed, and there is no key.
        UnreadableSecretError: it is sealed with another key.
        ValidationError: this version cannot read it.
    """
    stored = await ChannelStore(work).find(channel_id)
    if stored is None:
        return None
    kept = stored.channel
    return LoadedChannel(
        channel_id=channel_id,
        name=kept.name,
        channel=read_config(stored.config, vault),
        options=kept.options,
        disabled_at=kept.disabled_at,
        disabled_reason=kept.disabled_reason,
        deleted_at=stored.deleted_at,
        failures=kept.failures,
    )


def read_config(kept: KeptConfig, vault: Vault) -> Channel:
    """The channel with its secrets.

    Raises:
        NoSecretKeyError: it is sealed, and there is no key.
        UnreadableSecretError: it is sealed with another key.
        ValidationError: this version cannot read it.
    """
    return CHANNEL.validate_json(vault.unseal(kept.text) if kept.is_sealed else kept.text)


def draft_of(channel_id: UUID, spec: ChannelSpec, vault: Vault) -> ChannelDraft:
    """The channel as it is written.

    Raises:
        NoSecretKeyError: it holds secrets, and there is no key to seal them with.
    """
    text = msgspec.json.encode(document_of(spec.channel)).decode()
    is_sealed = has_channel_secrets(spec.channel)
    config = KeptConfig(
        kind=spec.channel.kind,
        text=vault.seal(text) if is_sealed else text,
        is_sealed=is_sealed,
        shown=mask_channel(spec.channel),
    )
    return ChannelDraft(channel_id, spec.name, config, spec.options)


def kept_spec(stored: StoredChannel, vault: Vault) -> ChannelSpec:
    """The channel as it was asked for.

    Raises:
        NoSecretKeyError: it is sealed, and there is no key.
        UnreadableSecretError: it is sealed with another key.
    """
    return ChannelSpec(stored.channel.name, read_config(stored.config, vault), stored.channel.options)


def new_spec(document: Mapping[str, Any]) -> ChannelSpec:
    """A channel that is new.

    Raises:
        ValidationError: it is none.
        WrongPlaceError: something in it is masked, or one of its templates is none.
    """
    spec = _read_spec(document)
    check_unmasked(spec.channel)
    return spec


def written_spec(document: Mapping[str, Any], kept: ChannelSpec) -> ChannelSpec:
    """The channel as it is said anew, with what is kept in the place of what is masked.

    Raises:
        ValidationError: it is none.
        WrongPlaceError: something masked stands for nothing, a secret would be sent elsewhere, or the kind differs.
    """
    if document.get("kind", kept.channel.kind) != kept.channel.kind:
        raise WrongPlaceError(f"the channel is of the kind {kept.channel.kind} for ever; make another one", "/kind")
    spec = _read_spec(keep_secrets(document, kept.channel))
    check_unmasked(spec.channel)
    check_place(spec.channel, kept.channel)
    return spec


def patched_spec(patch: Mapping[str, Any], kept: ChannelSpec) -> ChannelSpec:
    """The channel with a merge patch applied; what is masked stands for what is kept.

    Raises:
        ValidationError: it would be no channel.
        WrongPlaceError: something masked stands for nothing, a secret would be sent elsewhere, or the kind differs.
    """
    document = {"name": kept.name, **document_of(kept.channel), **options_document(kept.options)}
    changed = merge_patch(document, patch)
    if _NEVER in patch and patch[_NEVER] is None:
        changed[_NEVER] = None
    return written_spec(changed, kept)


def _read_spec(document: Mapping[str, Any]) -> ChannelSpec:
    spec = read_channel_spec(document)
    try:
        check_templates(spec.options.templates)
    except TemplateError as error:
        name, _, why = str(error).partition(": ")
        raise WrongPlaceError(why, f"/templates/{name}") from None
    return spec
