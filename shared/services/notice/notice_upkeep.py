"""Upkeep of notices: what has ended is settled, what is owed goes on, what was held back is let go.

Safe anywhere and twice: all of it is found by the rows.
"""

from collections.abc import Sequence
from dataclasses import replace

import msgspec
import structlog

from shared.domain.job.jobs import Ring
from shared.domain.notice.notices import NoticeState
from shared.domain.notice.tellings import held_back_by
from shared.domain.suppression.suppressions import Suppression, SuppressionFacts
from shared.services.job.announcer import Announcer
from shared.storage.database import Database, UnitOfWork
from shared.storage.notice.group_store import GroupStore, LockedGroup
from shared.storage.notice.held_back_store import HeldBack, HeldBackStore
from shared.storage.notice.idle_group_store import IdleGroupStore
from shared.storage.notice.notice_end_store import EndedNotice, NoticeEndStore
from shared.storage.notice.notice_store import NoticeStore
from shared.storage.notice.reminder_store import ReminderStore
from shared.storage.suppression.suppression_store import SuppressionStore
from shared.telemetry.notice_metrics import count_ended

_log = structlog.get_logger()

SETTLED_AT_ONCE = 200
REMINDED_AT_ONCE = 100
WOKEN_AT_ONCE = 100
RECHECKED_AT_ONCE = 1_000


class NoticeUpkeep:
    """Keeps notices going. Each duty answers how much it moved."""

    def __init__(self, database: Database, announcer: Announcer) -> None:
        self._database = database
        self._announcer = announcer

    async def settle(self) -> int:
        """Settle the notices whose job has ended, and give their groups the next one if they owe something still."""
        async with self._database.transaction() as work:
            ended, rings = await self._settle(work)
        self._announcer.announce([], rings)
        count_ended((each.channel_kind, each.state.value) for each in ended)
        lost = [str(each.notice_id) for each in ended if each.state is NoticeState.FAILED]
        if lost:
            _log.warning("notices_failed", notices=lost)
        return len(ended)

    async def remind(self) -> int:
        """Tell again what still fires, where the time for that has come."""
        async with self._database.transaction() as work:
            looked_at, rings = await ReminderStore(work).remind_due(limit=REMINDED_AT_ONCE)
        self._announcer.announce([], rings)
        return looked_at

    async def wake_idle(self) -> int:
        """Wake groups that owe something and have no notice on its way: somebody has changed rows by hand."""
        async with self._database.transaction() as work:
            woken, rings = await IdleGroupStore(work).wake_idle(limit=WOKEN_AT_ONCE)
        self._announcer.announce([], rings)
        if woken:
            _log.warning("idle_groups_woken", groups=woken)
        return woken

    async def recheck(self) -> int:
        """Let go of firings that nothing holds back any more; those that are over meanwhile are settled untold."""
        after, moved = None, 0
        while True:
            async with self._database.transaction() as work:
                held = await HeldBackStore(work).list_page(after=after, limit=RECHECKED_AT_ONCE)
                if not held:
                    return moved
                facts = await SuppressionStore(work).facts(held[0].now)
            moved += await self._move(held, facts)
            after = held[-1].telling_id

    async def _settle(self, work: UnitOfWork) -> tuple[list[EndedNotice], list[Ring]]:
        ends, groups = NoticeEndStore(work), GroupStore(work)
        found = await ends.list_ended(limit=SETTLED_AT_ONCE)
        if not found:
            return [], []
        locked = await groups.lock([group_id for _, group_id in found if group_id], is_busy_skipped=True)
        free = {None, *(group.group_id for group in locked)}
        over = await ends.lock_ended([notice_id for notice_id, group_id in found if group_id in free])
        crashed = [each for each in over if each.next_try_at is not None]
        carried = await ends.carry_on(crashed) if crashed else set()
        ended = [each for each in over if each.notice_id not in carried]
        stopped = [each.notice_id for each in ended if each.state is NoticeState.CANCELLED or each.is_job_gone]
        if stopped:
            await ends.owe_again(stopped)
        await NoticeStore(work).end({each.notice_id: each.state for each in ended})
        await groups.release([each.notice_id for each in ended])
        return ended, await groups.wake(_released(locked, ended))

    async def _move(self, held: Sequence[HeldBack], facts: SuppressionFacts) -> int:
        over = [each for each in held if each.is_over or each.is_channel_deleted]
        standing = [(each, _by(each, facts)) for each in held if not (each.is_over or each.is_channel_deleted)]
        free = [each for each, by in standing if not by]
        changed = {each.telling_id: by for each, by in standing if by and list(msgspec.to_builtins(by)) != each.by}
        if not (over or free or changed):
            return 0
        async with self._database.transaction() as work:
            store = HeldBackStore(work)
            rings = await store.let_go(free) if free else []
            if over:
                await store.settle(over)
            if changed:
                await store.write_reasons(changed)
        self._announcer.announce([], rings)
        return len(over) + len(free)


def _by(held: HeldBack, facts: SuppressionFacts) -> tuple[Suppression, ...]:
    return held_back_by(held.labels, held.severity, facts, channel=held.channel, now=held.now)


def _released(locked: Sequence[LockedGroup], ended: Sequence[EndedNotice]) -> list[LockedGroup]:
    """The groups without their notice. One that was cancelled before it told anything counts as told now.

    So whoever cancels it has the channel's interval of rest before the next one asks again.
    """
    ids = {each.notice_id for each in ended}
    stopped = {each.notice_id for each in ended if each.state is NoticeState.CANCELLED and not each.is_composed}
    return [
        replace(
            group,
            notice_id=None if group.notice_id in ids else group.notice_id,
            told_at=group.now if group.notice_id in stopped else group.told_at,
        )
        for group in locked
    ]
