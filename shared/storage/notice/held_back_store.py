"""Firings that are held back: read again and again, let go when nothing holds them back any more."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from shared.domain.job.jobs import Ring
from shared.domain.notice.tellings import ChannelAsTold
from shared.domain.suppression.suppressions import Suppression
from shared.storage.database import UnitOfWork
from shared.storage.notice.group_store import GroupStore, options_of

_FIRST = UUID(int=0)

TellingId = tuple[UUID, UUID]
"""An alert and a channel."""


@dataclass(frozen=True, slots=True)
class HeldBack:
    """A firing that is held back on a channel, as it stands; `by` is what was written down of that, JSON."""

    telling_id: TellingId
    group_id: UUID
    is_over: bool
    is_channel_deleted: bool
    channel: ChannelAsTold
    severity: str
    labels: Mapping[str, str]
    now: datetime
    by: Any


class HeldBackStore:
    """Firings that are held back, within one unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work
        self._groups = GroupStore(work)

    async def list_page(self, *, after: TellingId | None, limit: int) -> list[HeldBack]:
        """At most so many, on from `after` in the order of their ids."""
        rows = await self._work.fetch(
            """
            select t.alert_id, t.channel_id, t.group_id, t.suppressed, a.state = 'resolved' as is_over, a.severity,
                   a.labels, c.name, c.options::text as options, c.deleted_at is not null as is_deleted,
                   c.disabled_at is not null as is_disabled, now() as now
            from tellings t join alerts a using (alert_id) join channels c using (channel_id)
            where t.suppressed_at is not null and not t.is_settled
              and (t.alert_id, t.channel_id) > ($1::uuid, $2::uuid)
            order by t.alert_id, t.channel_id limit $3
            """,
            *(after or (_FIRST, _FIRST)),
            limit,
        )
        return [
            HeldBack(
                telling_id=(row.alert_id, row.channel_id),
                group_id=row.group_id,
                is_over=row.is_over,
                is_channel_deleted=row.is_deleted,
                channel=ChannelAsTold(row.name, options_of(row.options), is_disabled=row.is_disabled),
                severity=row.severity,
                labels=row.labels,
                now=row.now,
                by=row.suppressed,
            )
            for row in rows
        ]

    async def let_go(self, held: Sequence[HeldBack]) -> list[Ring]:
        """Owe these firings again and wake their groups, leaving those that others are busy with; ring the answer."""
        locked = await self._groups.lock(sorted({each.group_id for each in held}), is_busy_skipped=True)
        free = {group.group_id for group in locked}
        await self._update(
            "suppressed = null, suppressed_at = null", [each.telling_id for each in held if each.group_id in free]
        )
        return await self._groups.wake(locked)

    async def settle(self, held: Sequence[HeldBack]) -> None:
        """Owe nothing more of these: they are over, or their channel is, and nobody was told of them."""
        await self._update("is_settled = true", [each.telling_id for each in held])

    async def write_reasons(self, reasons: Mapping[TellingId, Sequence[Suppression]]) -> None:
        """Write down what holds these back now."""
        texts = [msgspec.json.encode(by).decode() for by in reasons.values()]
        await self._update("suppressed = n.suppressed::jsonb", list(reasons), texts)

    async def _update(self, change: str, tellings: Sequence[TellingId], texts: Sequence[str] = ()) -> None:
        await self._work.run(
            f"""
            update tellings t set {change} from (
                select t.alert_id, t.channel_id, n.suppressed
                from unnest($1::uuid[], $2::uuid[], $3::text[]) as n (alert_id, channel_id, suppressed)
                join tellings t using (alert_id, channel_id)
                where t.suppressed_at is not null and t.fire_notice_id is null and not t.is_settled
                order by t.alert_id, t.channel_id for no key update of t skip locked) n
            where t.alert_id = n.alert_id and t.channel_id = n.channel_id
            """,
            [alert_id for alert_id, _ in tellings],
            [channel_id for _, channel_id in tellings],
            list(texts) or [None] * len(tellings),
        )
