"""Composing a notice: what its group owes is read, decided and written within one unit of work."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from shared.domain.job.jobs import Ring
from shared.domain.notice.composing import Composed, GroupNews, compose
from shared.domain.notice.notices import LIVE_NOTICES, NoticeContent, NoticeKind, NoticeState, most_news
from shared.domain.notice.redelivery import Refusal, decide_redelivery
from shared.domain.notice.tellings import ChannelAsTold, OpenTelling, held_back_by
from shared.domain.suppression.suppressions import SuppressionFacts
from shared.storage.database import UnitOfWork
from shared.storage.notice.composing_store import ComposingStore, OpenAlerts
from shared.storage.notice.group_store import GroupStore, LockedGroup
from shared.storage.notice.notice_store import Notice, NoticeStore
from shared.storage.notice.redelivery_store import RedeliveryStore
from shared.storage.suppression.suppression_store import SuppressionStore


@dataclass(frozen=True, slots=True)
class ReadyNotice:
    """A notice whose turn it is: what it says, None when there is nothing to tell, and what is rung after the commit.

    `receipt` is what the channel gave for the group's notice before. `is_put_off`: another notice goes first.
    """

    notice: Notice
    content: NoticeContent | None
    receipt: dict[str, Any] | None = None
    rings: Sequence[Ring] = ()
    is_put_off: bool = False


class Composition:
    """Makes notices ready to be sent, within one unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work
        self._notices = NoticeStore(work)
        self._groups = GroupStore(work)

    async def prepare(self, notice_id: UUID, *, job_id: UUID) -> ReadyNotice | None:
        """The notice as this try of its job tells it, composed if it was not before; None when it is unknown.

        A notice that has ended, and whose job somebody ran anew, is carried by the new job from then on.
        """
        found = await self._notices.find(notice_id)
        if found is None:
            return None
        # Locked first, as everywhere; a notice never changes its group.
        locked = await self._groups.lock([found.group_id]) if found.group_id is not None else []
        notice = await self._notices.find(notice_id, is_locked=True)
        if notice is None:
            return None
        if notice.job_id != job_id:
            refusal = await self._take_up(notice, job_id)
            if refusal is not None:
                return ReadyNotice(notice, None, is_put_off=refusal is Refusal.GROUP_BUSY)
        elif notice.state not in LIVE_NOTICES:
            return ReadyNotice(notice, None)
        if notice.content is None and locked:
            return await self._compose(notice, locked[0])
        return ReadyNotice(notice, notice.content, await self._receipt_of(notice))

    async def _take_up(self, notice: Notice, job_id: UUID) -> Refusal | None:
        """Let the notice be carried by a job that somebody ran anew, as if he had redelivered it; None when it is.

        A disabled channel is no obstacle: whether the notice goes out all the same is decided with each try.
        """
        store = RedeliveryStore(self._work)
        if notice.state not in LIVE_NOTICES:
            [letter] = await store.lock([notice.notice_id])
            refusal = decide_redelivery(letter)
            if refusal not in {None, Refusal.CHANNEL_DISABLED}:
                return refusal
        await store.take_up({notice.notice_id: job_id})
        return None

    async def _compose(self, notice: Notice, group: LockedGroup) -> ReadyNotice:
        store = ComposingStore(self._work, group)
        news = _news_of(notice, group, await store.read_open(), await SuppressionStore(self._work).facts(group.now))
        composed = compose(news, now=group.now, most=most_news(group.channel_kind))
        await store.write_marks(notice.notice_id, composed.marks)
        await store.write_group(composed, is_reminder=notice.kind is NoticeKind.REMINDER)
        if composed.content is None:
            return ReadyNotice(notice, None, rings=await self._end_empty(notice, group, composed))
        content = await self._notices.freeze(notice.notice_id, composed.content)
        return ReadyNotice(notice, content, await self._receipt_of(notice))

    async def _end_empty(self, notice: Notice, group: LockedGroup, composed: Composed) -> list[Ring]:
        await self._notices.end({notice.notice_id: NoticeState.EMPTY})
        await self._groups.release([notice.notice_id])
        return await self._groups.wake([replace(group, notice_id=None, has_more=composed.has_more)])

    async def _receipt_of(self, notice: Notice) -> dict[str, Any] | None:
        return None if notice.group_id is None else await self._groups.find_receipt(notice.group_id)


def _news_of(notice: Notice, group: LockedGroup, read: OpenAlerts, facts: SuppressionFacts) -> GroupNews:
    channel = ChannelAsTold(group.channel_name, group.options, is_disabled=group.is_channel_disabled)
    tellings = [
        OpenTelling(
            each.alert,
            each.is_fire_told,
            held_back_by(each.alert.labels, each.alert.severity, facts, channel=channel, now=group.now),
        )
        for each in (*read.owed, *read.along)
    ]
    return GroupNews(
        kind=notice.kind,
        receiver=group.channel_name,
        group_key=str(group.group_id),
        group_labels=group.labels,
        number=group.notices + 1,
        open_tellings=tellings,
        has_unread=read.has_unread,
        unread_firing=read.unread_firing,
        is_channel_deleted=group.is_channel_deleted,
    )
