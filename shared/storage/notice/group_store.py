"""Groups of alerts on their channels: made when first needed, locked in one order, woken when they owe something."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row
from uuid_utils.compat import uuid7

from shared.domain.channel.channels import ChannelOptions
from shared.domain.job.jobs import Ring
from shared.domain.notice.grouping import AlertGroup, next_flush
from shared.domain.notice.notices import NoticeKind
from shared.storage.database import UnitOfWork
from shared.storage.notice.notice_store import NewNotice, NoticeStore
from shared.storage.storable import json_or_none

OWES = """
    (t.fire_notice_id is null and t.suppressed_at is null) or (t.fire_notice_id is not null and a.state = 'resolved')
"""
"""What a telling `t` that is not settled, of an alert `a`, has to say to be owed now."""


@dataclass(frozen=True, slots=True)
class LockedGroup:
    """A group whose row this transaction holds, its channel, and the transaction's time."""

    group_id: UUID
    channel_id: UUID
    channel_name: str
    channel_kind: str
    options: ChannelOptions
    is_channel_disabled: bool
    is_channel_deleted: bool
    labels: dict[str, str]
    notice_id: UUID | None
    notices: int
    told_at: datetime | None
    has_more: bool
    now: datetime


class GroupStore:
    """Groups within one unit of work. Groups are locked after alerts, all of a transaction's at once."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def add(self, groups: Sequence[AlertGroup]) -> None:
        """Make those that are not there yet, in the order that they are locked in."""
        ordered = sorted({group.group_id: group for group in groups}.values(), key=lambda group: group.group_id.bytes)
        await self._work.run(
            """
            insert into alert_groups (group_id, channel_id, key, labels)
            select group_id, channel_id, key, labels::jsonb
            from unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::text[]) with ordinality
                 as n (group_id, channel_id, key, labels, place)
            order by place
            on conflict do nothing
            """,
            [group.group_id for group in ordered],
            [group.channel_id for group in ordered],
            [group.key for group in ordered],
            [msgspec.json.encode(group.labels).decode() for group in ordered],
        )

    async def lock(self, group_ids: Sequence[UUID], *, is_busy_skipped: bool = False) -> list[LockedGroup]:
        """Lock the groups in the order of their ids, waiting for those that others hold unless they are skipped."""
        if not group_ids:
            return []
        rows = await self._work.fetch(
            f"""
            select g.group_id, g.channel_id, g.labels, g.notice_id, g.notices, g.told_at, g.has_more, c.name, c.kind,
                   c.options::text as options, c.disabled_at is not null as is_disabled,
                   c.deleted_at is not null as is_deleted, now() as now
            from alert_groups g join channels c using (channel_id)
            where g.group_id = any($1::uuid[])
            order by g.group_id for no key update of g {"skip locked" if is_busy_skipped else ""}
            """,
            list(group_ids),
        )
        return [_group_of(row) for row in rows]

    async def wake(self, groups: Sequence[LockedGroup]) -> list[Ring]:
        """Give each of the locked groups that owes something, and has no notice on its way, its next notice.

        The answer is to be rung after the commit.
        """
        idle = {group.group_id: group for group in groups if group.notice_id is None}
        rows = await self._work.fetch(
            f"""
            select group_id from unnest($1::uuid[]) as g (group_id)
            where exists (select from tellings t join alerts a using (alert_id)
                          where t.group_id = g.group_id and not t.is_settled and ({OWES}))
            """,
            list(idle),
        )
        owing = [idle[row.group_id] for row in rows]
        return await self.begin(owing, NoticeKind.ALERT)

    async def begin(self, groups: Sequence[LockedGroup], kind: NoticeKind) -> list[Ring]:
        """Make a notice for each of the locked groups, which have none on its way; a reminder is due at once."""
        if not groups:
            return []
        made = [_notice_of(group, kind) for group in groups]
        rings = await NoticeStore(self._work).add(made, now=groups[0].now)
        await self._work.run(
            """
            update alert_groups g set notice_id = n.notice_id, has_more = false
            from unnest($1::uuid[], $2::uuid[]) as n (group_id, notice_id) where g.group_id = n.group_id
            """,
            [group.group_id for group in groups],
            [notice.notice_id for notice in made],
        )
        return rings

    async def release(self, notice_ids: Sequence[UUID]) -> None:
        """Let the locked groups go whose notice has ended."""
        await self._work.run(
            "update alert_groups set notice_id = null where notice_id = any($1::uuid[])", list(notice_ids)
        )

    async def find_receipt(self, group_id: UUID) -> dict[str, Any] | None:
        """What the channel gave to update the group's message in place."""
        rows = await self._work.fetch("select receipt from alert_groups where group_id = $1", group_id)
        return rows[0].receipt if rows else None

    async def keep_receipt(self, group_id: UUID, receipt: Mapping[str, Any]) -> None:
        """Keep what the channel gave."""
        await self._work.run(
            "update alert_groups set receipt = $2::text::jsonb where group_id = $1", group_id, json_or_none(receipt)
        )


@lru_cache(maxsize=2048)
def options_of(options: str) -> ChannelOptions:
    """A channel's options, as the database gives them as text."""
    return ChannelOptions.model_validate_json(options)


def _notice_of(group: LockedGroup, kind: NoticeKind) -> NewNotice:
    flush_at = group.now
    if kind is NoticeKind.ALERT:
        flush_at = next_flush(told_at=group.told_at, has_more=group.has_more, options=group.options, now=group.now)
    return NewNotice(
        notice_id=uuid7(),
        job_id=uuid7(),
        channel_id=group.channel_id,
        channel_name=group.channel_name,
        group_id=group.group_id,
        kind=kind,
        flush_at=flush_at,
        is_limited=group.options.rate_limit is not None,
    )


def _group_of(row: Row[Any]) -> LockedGroup:
    return LockedGroup(
        group_id=row.group_id,
        channel_id=row.channel_id,
        channel_name=row.name,
        channel_kind=row.kind,
        options=options_of(row.options),
        is_channel_disabled=row.is_disabled,
        is_channel_deleted=row.is_deleted,
        labels=row.labels,
        notice_id=row.notice_id,
        notices=row.notices,
        told_at=row.told_at,
        has_more=row.has_more,
        now=row.now,
    )
