"""The ledger of who is owed which news: written in the transaction in which an alert fires or resolves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from shared.domain.alert.alert_changes import AlertChange, AlertSubject
from shared.domain.alert.alerts import Transition
from shared.domain.channel.channels import ChannelOptions
from shared.domain.job.jobs import Ring
from shared.domain.matchers import parse_matchers
from shared.domain.notice.grouping import AlertGroup, group_of
from shared.storage.database import UnitOfWork
from shared.storage.notice.group_store import GroupStore, options_of


@dataclass(frozen=True, slots=True)
class Wanted:
    """An alert that is to be told to a group's channel; `step` is that of the escalation that asks for it."""

    alert_id: UUID
    group: AlertGroup
    step: int = 0


@dataclass(frozen=True, slots=True)
class ToldChannel:
    """A channel that alerts may be told to, as far as that is decided by their labels."""

    channel_id: UUID
    name: str
    options: ChannelOptions
    matchers: str | None

    def is_told(self, subject: AlertSubject) -> bool:
        """Whether it is named for the alert, or chooses it by its labels."""
        if self.name in subject.channels:
            return True
        return self.matchers is not None and parse_matchers(self.matchers).matches(subject.labels)

    def group_of(self, labels: Mapping[str, str], fingerprint: bytes) -> AlertGroup:
        """The group that an alert belongs to here."""
        return group_of(self.channel_id, group_by=self.options.group_by, labels=labels, fingerprint=fingerprint)


class TellingStore:
    """What is owed to channels, within one unit of work that has locked the alerts."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work
        self._groups = GroupStore(work)

    async def tell(self, changes: Sequence[AlertChange]) -> list[Ring]:
        """Note what is owed by changes that were just written, and wake the groups; ring the answer after the commit.

        Once a transaction: it locks groups, all in one order.
        """
        fired = {
            change.alert_id: change.subject
            for change in changes
            if change.transition is Transition.FIRE and change.subject is not None
        }
        resolved = sorted({change.alert_id for change in changes if change.transition is Transition.RESOLVE})
        if not fired and not resolved:
            return []
        return await self.want(await self._wanted_of(fired), resolved=resolved)

    async def want(self, wanted: Sequence[Wanted], *, resolved: Sequence[UUID] = ()) -> list[Ring]:
        """Owe the firing of alerts to groups, and the resolve of others to whom they were told; wake the groups."""
        groups = {each.group.group_id: each.group for each in wanted}
        if groups:
            await self._groups.add(list(groups.values()))
        told = await self._groups_of(resolved) if resolved else []
        locked = await self._groups.lock([*groups, *told])
        if wanted:
            await self._add(wanted)
        if resolved:
            await self._settle_held_back(resolved)
        return await self._groups.wake(locked)

    async def _wanted_of(self, fired: dict[UUID, AlertSubject]) -> list[Wanted]:
        if not fired:
            return []
        channels = await self.list_told({name for subject in fired.values() for name in subject.channels})
        return [
            Wanted(alert_id, channel.group_of(subject.labels, subject.fingerprint))
            for alert_id, subject in fired.items()
            for channel in channels
            if channel.is_told(subject)
        ]

    async def list_told(self, names: set[str]) -> list[ToldChannel]:
        """The channels of these names, and those that choose alerts by their labels."""
        rows = await self._work.fetch(
            """
            select channel_id, name, options::text as options, matchers from channels
            where deleted_at is null and (name = any($1::text[]) or matchers is not null)
            order by channel_id
            """,
            sorted(names),
        )
        return [ToldChannel(row.channel_id, row.name, options_of(row.options), row.matchers) for row in rows]

    async def _groups_of(self, alert_ids: Sequence[UUID]) -> list[UUID]:
        rows = await self._work.fetch(
            "select distinct group_id from tellings where alert_id = any($1::uuid[]) and not is_settled",
            list(alert_ids),
        )
        return [row.group_id for row in rows]

    async def _add(self, wanted: Sequence[Wanted]) -> None:
        await self._work.run(
            """
            insert into tellings (alert_id, channel_id, group_id, step, wanted_at)
            select alert_id, channel_id, group_id, step, now()
            from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::int2[]) as n (alert_id, channel_id, group_id, step)
            order by alert_id, channel_id
            on conflict do nothing
            """,
            [each.alert_id for each in wanted],
            [each.group.channel_id for each in wanted],
            [each.group.group_id for each in wanted],
            [each.step for each in wanted],
        )

    async def _settle_held_back(self, alert_ids: Sequence[UUID]) -> None:
        """Nothing is owed any more of what was held back until it resolved."""
        await self._work.run(
            """
            update tellings set is_settled = true
            where alert_id = any($1::uuid[]) and not is_settled and fire_notice_id is null and suppressed_at is not null
            """,
            list(alert_ids),
        )
