"""Reads what a locked group owes when a notice is composed, and writes what was told of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row

from shared.domain.notice.composing import Composed
from shared.domain.notice.notices import MAX_TOLD_ALONG, ToldAlert
from shared.domain.notice.tellings import FIRE_TOLD, RESOLVE_TOLD, SETTLED, Mark, TellReason
from shared.storage.alert.alert_event_store import AlertEvent, AlertEventStore
from shared.storage.database import UnitOfWork
from shared.storage.notice.group_store import OWES, LockedGroup

MAX_OWED = 1_000
"""How many alerts that are owed are looked at for one notice; the rest is left to the next."""

_WRITTEN = FIRE_TOLD | RESOLVE_TOLD | SETTLED | {TellReason.HELD_BACK}
_ALERT = """
    a.alert_id, a.state, a.name, a.severity, a.labels, a.annotations, a.fired_at, a.resolved_at, a.fingerprint,
    a.reason, a.evidence, a.generator_url, a.is_flapping, a.acknowledged_by,
    t.fire_notice_id is not null as is_fire_told
"""


@dataclass(frozen=True, slots=True)
class ReadAlert:
    """An alert as a group's channel is, or may be, told it."""

    alert: ToldAlert
    is_fire_told: bool


@dataclass(frozen=True, slots=True)
class OpenAlerts:
    """What was read of a group: `owed` by urgency, `along` told before and still firing; and what was not."""

    owed: list[ReadAlert]
    along: list[ReadAlert]
    has_unread: bool
    unread_firing: int


class ComposingStore:
    """One group within one unit of work that has locked it."""

    def __init__(self, work: UnitOfWork, group: LockedGroup) -> None:
        self._work = work
        self._group = group

    async def read_open(self) -> OpenAlerts:
        """What the group owes and what of it still fires, both bounded."""
        owed = await self._read(
            f"({OWES}) order by a.severity <> 'critical', coalesce(a.resolved_at, a.fired_at), a.alert_id", MAX_OWED + 1
        )
        has_unread = len(owed) > MAX_OWED
        owed = owed[:MAX_OWED]
        along = await self._read(
            "t.fire_notice_id is not null and a.state = 'firing' order by a.severity <> 'critical', a.fired_at desc",
            MAX_TOLD_ALONG,
        )
        read_firing = len(along) + sum(each.alert.status == "firing" for each in owed)
        is_all = not has_unread and len(along) < MAX_TOLD_ALONG
        unread_firing = 0 if is_all else await self._count_firing() - read_firing
        return OpenAlerts(owed, along, has_unread, max(unread_firing, 0))

    async def write_marks(self, notice_id: UUID, marks: Sequence[Mark]) -> None:
        """Write what the notice tells, what is held back and why, and of what nothing is owed any more."""
        written = [mark for mark in marks if mark.reason in _WRITTEN]
        if not written:
            return
        await self._work.run(
            """
            update tellings t
            set fire_notice_id = case when m.tells_fire then $2 else t.fire_notice_id end,
                resolve_notice_id = case when m.tells_resolve then $2 else t.resolve_notice_id end,
                suppressed = m.suppressed::jsonb, suppressed_at = case when m.suppressed is not null then now() end,
                is_settled = m.is_settled
            from unnest($3::uuid[], $4::bool[], $5::bool[], $6::bool[], $7::text[])
                 as m (alert_id, tells_fire, tells_resolve, is_settled, suppressed)
            where t.alert_id = m.alert_id and t.channel_id = $1
            """,
            self._group.channel_id,
            notice_id,
            [mark.telling.alert.alert_id for mark in written],
            [mark.reason in FIRE_TOLD for mark in written],
            [mark.reason in RESOLVE_TOLD for mark in written],
            [mark.reason in SETTLED for mark in written],
            [_suppressed_of(mark) for mark in written],
        )
        await self._tell_history([mark for mark in written if mark.reason is TellReason.HELD_BACK])

    async def write_group(self, composed: Composed, *, is_reminder: bool) -> None:
        """Count the notice, and say when people are to be reminded of what goes on firing.

        What was asked for because of news and tells nothing leaves the time of the reminder as it is.
        """
        repeat: timedelta | None = self._group.options.repeat_interval
        await self._work.run(
            """
            update alert_groups
            set has_more = $2, remind_at = case when $5 then now() + $3::interval else remind_at end,
                notices = notices + $4::int4, told_at = case when $4::int4 > 0 then now() else told_at end
            where group_id = $1
            """,
            self._group.group_id,
            composed.has_more,
            repeat if composed.is_firing else None,
            int(composed.content is not None),
            composed.content is not None or is_reminder,
        )

    async def _read(self, which: str, limit: int) -> list[ReadAlert]:
        rows = await self._work.fetch(
            f"""
            select {_ALERT} from tellings t join alerts a using (alert_id)
            where t.group_id = $1 and not t.is_settled and {which} limit $2
            """,
            self._group.group_id,
            limit,
        )
        return [ReadAlert(_alert_of(row), row.is_fire_told) for row in rows]

    async def _count_firing(self) -> int:
        rows = await self._work.fetch(
            """
            select count(*) as n from tellings t join alerts a using (alert_id)
            where t.group_id = $1 and not t.is_settled and t.suppressed_at is null and a.state = 'firing'
            """,
            self._group.group_id,
        )
        return int(rows[0].n)

    async def _tell_history(self, held_back: Sequence[Mark]) -> None:
        """An alert's history says what held it back, also when it is told later."""
        group = self._group
        await AlertEventStore(self._work).add(
            [
                AlertEvent(
                    mark.telling.alert.alert_id,
                    group.now,
                    "suppressed",
                    reason=mark.telling.suppressions[0].kind.value,
                    detail={"channel": group.channel_name, "by": msgspec.to_builtins(mark.telling.suppressions)},
                )
                for mark in held_back
            ]
        )


def _suppressed_of(mark: Mark) -> str | None:
    """What held it back, where it is not told."""
    if mark.reason not in {TellReason.HELD_BACK, TellReason.OVER_UNTOLD}:
        return None
    return msgspec.json.encode(mark.telling.suppressions).decode()


def _alert_of(row: Row[Any]) -> ToldAlert:
    return ToldAlert(
        alert_id=row.alert_id,
        status=row.state,
        is_news=False,
        name=row.name,
        severity=row.severity,
        labels=row.labels,
        annotations=row.annotations,
        starts_at=row.fired_at,
        ends_at=row.resolved_at,
        fingerprint=row.fingerprint.hex(),
        reason=row.reason,
        evidence=row.evidence,
        generator_url=row.generator_url,
        is_flapping=row.is_flapping,
        acknowledged_by=row.acknowledged_by,
    )
