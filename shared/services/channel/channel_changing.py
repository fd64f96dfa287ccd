"""One change of a channel: what is kept is locked, what comes of the change decided, and written."""

from typing import assert_never
from uuid import UUID

from shared.domain.change_results import (
    Changed,
    Deleted,
    Made,
    NameTaken,
    TooMany,
    Unchanged,
    UnknownId,
    VersionDiffers,
)
from shared.domain.channel.channel_changes import (
    ChannelChange,
    ChannelInUse,
    ChannelResult,
    CreateChannel,
    DeleteChannel,
    PatchChannel,
    PutChannel,
    StoredChannel,
    SwitchChannel,
)
from shared.domain.channel.channel_health import ChannelState
from shared.domain.channel.channel_specs import ChannelSpec
from shared.domain.channel.channels import MAX_CHANNELS, limit_key_of, limit_of_channel
from shared.domain.live import ChannelTold, LiveEvent
from shared.services.channel.channel_configs import draft_of, kept_spec, new_spec, patched_spec, written_spec
from shared.storage.channel.channel_store import ChannelStore
from shared.storage.database import UnitOfWork
from shared.storage.fleet.limit_store import LimitStore
from shared.vault import Vault

NAMED_RULES = 10
"""How many of the rules that name a channel are told."""


class NameTakenMeanwhileError(Exception):
    """Somebody has just given the name to another channel; the unit of work is spoiled, begin anew."""


class ChannelChanging:
    """One change within one unit of work; `told` is what watchers are told after the commit."""

    def __init__(self, work: UnitOfWork, vault: Vault, by: str) -> None:
        self._store = ChannelStore(work)
        self._limits = LimitStore(work)
        self._vault = vault
        self._by = by
        self.told: list[LiveEvent] = []

    async def run(self, change: ChannelChange) -> ChannelResult:
        """Carry the change out, unless something forbids it.

        Raises:
            NameTakenMeanwhileError: somebody took the name meanwhile; begin anew in another unit of work.
            ValidationError, WrongPlaceError: it would be no channel.
            NoSecretKeyError, UnreadableSecretError: there are secrets and no key, or another one sealed what is kept.
        """
        match change:
            case CreateChannel():
                return await self._create(change.channel_id, new_spec(change.document))
            case PutChannel():
                return await self._put(change)
            case PatchChannel() | SwitchChannel() | DeleteChannel():
                stored = await self._store.lock(change.channel_id)
                return UnknownId() if stored is None else await self._change(stored, change)
            case _:
                assert_never(change)

    async def _change(
        self, stored: StoredChannel, change: PatchChannel | SwitchChannel | DeleteChannel
    ) -> ChannelResult:
        if isinstance(change, SwitchChannel):
            return await self._switch(stored, change)
        version = stored.channel.version
        if change.versions is not None and version not in change.versions:
            return VersionDiffers(version)
        if isinstance(change, DeleteChannel):
            return await self._delete(stored)
        kept = kept_spec(stored, self._vault)
        return await self._write(stored, kept, patched_spec(change.patch, kept))

    async def _create(self, channel_id: UUID, spec: ChannelSpec) -> ChannelResult:
        holder_id = await self._store.find_id(spec.name)
        if holder_id is not None:
            return NameTaken(holder_id)
        return await self._insert(channel_id, spec)

    async def _insert(self, channel_id: UUID, spec: ChannelSpec) -> ChannelResult:
        if await self._store.count() >= MAX_CHANNELS:
            return TooMany()
        if not await self._store.insert(draft_of(channel_id, spec, self._vault), by=self._by):
            raise NameTakenMeanwhileError
        await self._keep_limit(channel_id, spec)
        return Made(channel_id)

    async def _put(self, change: PutChannel) -> ChannelResult:
        name = change.document.get("name")
        holder_id = await self._store.find_id(name) if isinstance(name, str) else None
        if holder_id is None:
            return await self._insert(change.channel_id, new_spec(change.document))
        stored = await self._store.lock(holder_id)
        if stored is None or stored.channel.name != name:
            raise NameTakenMeanwhileError
        kept = kept_spec(stored, self._vault)
        return await self._write(stored, kept, written_spec(change.document, kept))

    async def _write(self, stored: StoredChannel, kept: ChannelSpec, spec: ChannelSpec) -> ChannelResult:
        channel_id = stored.channel.channel_id
        if spec == kept:
            return Unchanged(channel_id)
        if spec.name != kept.name:
            rules = await self._store.list_naming(kept.name, limit=NAMED_RULES + 1)
            if rules:
                return ChannelInUse(tuple(rules))
            holder_id = await self._store.find_id(spec.name)
            if holder_id is not None:
                return NameTaken(holder_id)
        if not await self._store.update(draft_of(channel_id, spec, self._vault)):
            raise NameTakenMeanwhileError
        if spec.options.rate_limit != kept.options.rate_limit:
            await self._keep_limit(channel_id, spec)
        return Changed(channel_id)

    async def _switch(self, stored: StoredChannel, change: SwitchChannel) -> ChannelResult:
        channel = stored.channel
        is_enabled = channel.disabled_at is None
        if is_enabled == change.is_enabled and (is_enabled or change.reason == channel.disabled_reason):
            return Unchanged(channel.channel_id)
        at = await self._store.switch(channel.channel_id, is_enabled=change.is_enabled, reason=change.reason)
        state = ChannelState.WORKING if change.is_enabled else ChannelState.DISABLED
        self.told.append(ChannelTold(channel.channel_id, state, at, channel.name, change.reason))
        return Changed(channel.channel_id)

    async def _delete(self, stored: StoredChannel) -> ChannelResult:
        channel = stored.channel
        rules = await self._store.list_naming(channel.name, limit=NAMED_RULES + 1)
        if rules:
            return ChannelInUse(tuple(rules))
        await self._store.mark_deleted(channel.channel_id)
        await self._limits.delete(limit_key_of(channel.channel_id))
        return Deleted(channel.channel_id)

    async def _keep_limit(self, channel_id: UUID, spec: ChannelSpec) -> None:
        limit = limit_of_channel(channel_id, spec.options)
        if limit.rate is None:
            await self._limits.delete(limit.key)
        else:
            await self._limits.put(limit)
