"""Reads what explains an alert: who is owed what of it, the notices with their tries, and what its rule remembers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from shared.domain.monitor.standing import STATE_OF_CODE, Cause, MonitorState
from shared.domain.notice.owed import ChannelDebt, HeldBackBy, ToldNotice
from shared.storage.database import UnitOfWork
from shared.storage.notice.notice_reading import NoticeFilter, NoticeReading, NoticeStatus, NoticeTry

MAX_CHANNELS = 100
"""How many channels are told of, those first that were asked first."""
MAX_NOTICES = 20
"""How many notices that name the alert are told of, the latest; on top of them those that told its news."""

_AROUND = timedelta(hours=1)
"""A notice may have been waiting when the alert fired, and alerts are judged a little later than their moments."""


@dataclass(frozen=True, slots=True)
class ExplainedNotice:
    """A notice that told of the alert, and the tries at telling it, the first one first."""

    status: NoticeStatus
    tries: Sequence[NoticeTry]

    @property
    def told(self) -> ToldNotice:
        """How it went."""
        last = self.tries[-1] if self.tries else None
        return ToldNotice(
            self.status.state,
            self.status.ended_at,
            len(self.tries),
            None if last is None or last.code is None else last.message or last.code,
        )


@dataclass(frozen=True, slots=True)
class ExplainedTelling:
    """A channel that is, or may be, told of the alert; a row of the ledger. `step` is that of the escalation."""

    channel_id: UUID
    channel_name: str
    is_channel_deleted: bool
    is_channel_disabled: bool
    step: int
    wanted_at: datetime
    fire_notice_id: UUID | None
    resolve_notice_id: UUID | None
    held_back_by: tuple[HeldBackBy, ...]
    held_back_since: datetime | None
    is_settled: bool
    next_notice_at: datetime | None

    def debt(self, notices: dict[UUID, ExplainedNotice]) -> ChannelDebt:
        """What the channel was told and is owed, by the notices."""
        fire, resolve = [
            None if each is None or each not in notices else notices[each].told
            for each in (self.fire_notice_id, self.resolve_notice_id)
        ]
        return ChannelDebt(
            self.channel_name,
            is_fire_told=self.fire_notice_id is not None,
            is_settled=self.is_settled,
            fire=fire,
            resolve=resolve,
            held_back_by=self.held_back_by,
            next_notice_at=self.next_notice_at,
        )


@dataclass(frozen=True, slots=True)
class Remembered:
    """How a monitor stands, and what a rule remembers of it; without `rule_version` nothing yet."""

    state: MonitorState
    cause: Cause
    rule_version: int | None
    filled_from: datetime | None
    latched: int
    windows: bytes
    past: bytes


class ExplainStore:
    """Reads within one unit of work that sees one state of all tables."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work
        self._notices = NoticeReading(work)

    async def now(self) -> datetime:
        """The database's time."""
        rows = await self._work.fetch("select now() as now")
        now: datetime = rows[0].now
        return now

    async def list_tellings(self, alert_id: UUID) -> list[ExplainedTelling]:
        """The channels that are, or may be, told of an alert, in the order in which that was asked for."""
        rows = await self._work.fetch(
            """
            select t.channel_id, c.name, c.deleted_at is not null as is_deleted,
                   c.disabled_at is not null as is_disabled, t.step, t.wanted_at, t.fire_notice_id,
                   t.resolve_notice_id, t.suppressed::text as suppressed, t.suppressed_at, t.is_settled, n.flush_at
            from tellings t join channels c using (channel_id)
            left join alert_groups g using (group_id)
            left join notices n on n.notice_id = g.notice_id and n.state = 'waiting'
            where t.alert_id = $1 order by t.step, t.wanted_at, c.name limit $2
            """,
            alert_id,
            MAX_CHANNELS,
        )
        return [
            ExplainedTelling(
                channel_id=row.channel_id,
                channel_name=row.name,
                is_channel_deleted=row.is_deleted,
                is_channel_disabled=row.is_disabled,
                step=row.step,
                wanted_at=row.wanted_at,
                fire_notice_id=row.fire_notice_id,
                resolve_notice_id=row.resolve_notice_id,
                held_back_by=_holds_of(row.suppressed),
                held_back_since=row.suppressed_at,
                is_settled=row.is_settled,
                next_notice_at=None if row.is_settled else row.flush_at,
            )
            for row in rows
        ]

    async def list_notices(
        self, alert_id: UUID, tellings: Sequence[ExplainedTelling], life: tuple[datetime, datetime | None]
    ) -> list[ExplainedNotice]:
        """The notices that told of an alert, which fired and ended then, the oldest first.

        A group may have had thousands of notices before and after; only those of about its life are looked at.
        """
        fired_at, ended_at = life
        until = None if ended_at is None else ended_at + _AROUND
        wanted = NoticeFilter(alert_id=alert_id, since=fired_at - _AROUND, until=until)
        found = await self._notices.list_status(wanted, before=None, limit=MAX_NOTICES)
        known = {notice.notice_id for notice in found}
        news = {each for telling in tellings for each in (telling.fire_notice_id, telling.resolve_notice_id)}
        for notice_id in news - known - {None}:
            notice = None if notice_id is None else await self._notices.find_status(notice_id)
            found += [] if notice is None else [notice]
        found.sort(key=lambda notice: notice.notice_id)
        return [ExplainedNotice(notice, await self._notices.list_tries(notice.job_id)) for notice in found]

    async def find_remembered(self, rule_id: UUID, monitor_id: UUID) -> Remembered | None:
        """What a rule remembers of a monitor; None when there is no such monitor any more."""
        rows = await self._work.fetch(
            """
            select s.state, s.code, s.message, j.rule_version, j.filled_from, coalesce(j.latched, 0) as latched,
                   coalesce(j.windows, '') as windows, coalesce(j.past, '') as past
            from monitor_states s left join judgements j on j.monitor_id = s.monitor_id and j.rule_id = $1
            where s.monitor_id = $2
            """,
            rule_id,
            monitor_id,
        )
        if not rows:
            return None
        row = rows[0]
        cause = Cause(row.code, row.message)
        state = STATE_OF_CODE[row.state]
        return Remembered(state, cause, row.rule_version, row.filled_from, row.latched, row.windows, row.past)


def _holds_of(written: str | None) -> tuple[HeldBackBy, ...]:
    holds: Any = () if written is None else msgspec.json.decode(written, type=list[HeldBackBy])
    return tuple(holds)
