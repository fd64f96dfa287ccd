"""Channels as they are kept: found, written, and held while something depends on their names."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row
from sqlalchemy.exc import IntegrityError

from shared.domain.channel.channel_changes import ChannelDraft, KeptConfig, NamingRule, StoredChannel
from shared.domain.channel.channel_documents import options_document
from shared.domain.channel.channels import ChannelOptions, KeptChannel
from shared.storage.database import UnitOfWork

_COLUMNS = """
    c.channel_id, c.name, c.kind, c.config, c.is_sealed, c.shown, c.options, c.owner, c.disabled_at, c.disabled_reason,
    c.deleted_at, c.failing_since, c.failures, c.delivered_at, c.version, c.created_at, c.updated_at, c.created_by
"""
_IS_NAMED = """
    (r.spec->'channels' @> to_jsonb($1::text)
     or exists (select from jsonb_array_elements(r.spec->'escalation') step
                where step->'channels' @> to_jsonb($1::text)))
"""


class ChannelStore:
    """Reads and writes channels within one unit of work. Whoever locks one locks it before all else."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def find(self, channel_id: UUID) -> StoredChannel | None:
        """The channel, even if it is deleted and owes a resolve still."""
        rows = await self._work.fetch(f"select {_COLUMNS} from channels c where c.channel_id = $1", channel_id)
        return _stored_of(rows[0]) if rows else None

    async def lock(self, channel_id: UUID) -> StoredChannel | None:
        """The channel, kept from being changed by others; None when there is none, or it is deleted."""
        rows = await self._work.fetch(
            f"select {_COLUMNS} from channels c where c.channel_id = $1 and c.deleted_at is null for update", channel_id
        )
        return _stored_of(rows[0]) if rows else None

    async def find_id(self, name: str) -> UUID | None:
        """The channel of a name."""
        rows = await self._work.fetch("select channel_id from channels where name = $1 and deleted_at is null", name)
        return rows[0].channel_id if rows else None

    async def hold_names(self, names: Sequence[str]) -> set[str]:
        """The names among these that are channels', none of which loses its name while this unit of work lasts."""
        rows = await self._work.fetch(
            """
            select name from channels where name = any($1::text[]) and deleted_at is null
            order by channel_id for key share
            """,
            list(names),
        )
        return {row.name for row in rows}

    async def list_naming(self, name: str, *, limit: int) -> list[NamingRule]:
        """Rules that name the channel, for their alerts or a step of escalation, in the order of their names."""
        rows = await self._work.fetch(
            f"""
            select r.rule_id, r.name from alert_rules r where r.deleted_at is null and {_IS_NAMED}
            order by r.name limit $2
            """,
            name,
            limit,
        )
        return [NamingRule(row.rule_id, row.name) for row in rows]

    async def count(self) -> int:
        """How many channels there are."""
        rows = await self._work.fetch("select count(*) as n from channels where deleted_at is null")
        return int(rows[0].n)

    async def insert(self, draft: ChannelDraft, *, by: str) -> bool:
        """Make a channel; False when its name was taken meanwhile."""
        written = await self._work.run(
            """
            insert into channels (channel_id, name, kind, config, is_sealed, shown, options, matchers, created_by)
            values ($1, $2, $3, $4, $5, $6::text::jsonb, $7::text::jsonb, $8, $9)
            on conflict (name) where deleted_at is null do nothing
            """,
            *_values_of(draft),
            by,
        )
        return written.rowcount > 0

    async def update(self, draft: ChannelDraft) -> bool:
        """Write what a channel is now, which is locked; False, and the unit of work spoiled, when its name is taken."""
        try:
            await self._work.run(
                """
                update channels
                set name = $2, kind = $3, config = $4, is_sealed = $5, shown = $6::text::jsonb,
                    options = $7::text::jsonb, matchers = $8, version = version + 1, updated_at = now()
                where channel_id = $1
                """,
                *_values_of(draft),
            )
        except IntegrityError:
            return False
        return True

    async def switch(self, channel_id: UUID, *, is_enabled: bool, reason: str | None) -> datetime:
        """Enable a channel that is locked, forgetting how often it failed, or disable it; when that was."""
        rows = await self._work.fetch(
            """
            update channels
            set disabled_at = case when $2 then null else now() end,
                disabled_reason = case when $2 then null else $3 end,
                failures = case when $2 then 0 else failures end,
                failing_since = case when $2 then null else failing_since end,
                version = version + 1, updated_at = now()
            where channel_id = $1 returning updated_at
            """,
            channel_id,
            is_enabled,
            reason,
        )
        at: datetime = rows[0].updated_at
        return at

    async def mark_deleted(self, channel_id: UUID) -> None:
        """Give a channel's name free; the rest stays for the resolves that it owes."""
        await self._work.run(
            "update channels set deleted_at = now(), version = version + 1, updated_at = now() where channel_id = $1",
            channel_id,
        )


def channel_of(row: Row[Any]) -> KeptChannel:
    """The channel in a row of its columns."""
    return KeptChannel(
        channel_id=row.channel_id,
        name=row.name,
        kind=row.kind,
        shown=row.shown,
        options=ChannelOptions.model_validate(row.options),
        owner=row.owner,
        disabled_at=row.disabled_at,
        disabled_reason=row.disabled_reason,
        failing_since=row.failing_since,
        failures=row.failures,
        delivered_at=row.delivered_at,
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
        created_by=row.created_by,
    )


def _stored_of(row: Row[Any]) -> StoredChannel:
    return StoredChannel(channel_of(row), KeptConfig(row.kind, row.config, row.is_sealed, row.shown), row.deleted_at)


def _values_of(draft: ChannelDraft) -> tuple[object, ...]:
    config, options = draft.config, draft.options
    return (
        draft.channel_id,
        draft.name,
        config.kind,
        config.text,
        config.is_sealed,
        _json(config.shown),
        _json(options_document(options)),
        options.matchers,
    )


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
