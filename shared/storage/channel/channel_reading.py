"""Reads channels as people see them: how each fares, and how much waits for it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from shared.domain.channel.channel_health import ChannelState
from shared.domain.channel.channels import KeptChannel
from shared.storage.channel.channel_store import channel_of
from shared.storage.database import UnitOfWork


@dataclass(frozen=True, slots=True)
class ChannelFilter:
    """Which channels are wanted; an empty field does not narrow. `name_part` is found in names of any case."""

    kinds: frozenset[str] = frozenset()
    is_disabled: bool | None = None
    is_failing: bool | None = None
    name_part: str | None = None


@dataclass(frozen=True, slots=True)
class ChannelStatus:
    """A channel, and how many notices are on their way to it."""

    channel: KeptChannel
    waiting: int


class ChannelReading:
    """Reads within one unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def find_status(self, channel_id: UUID) -> ChannelStatus | None:
        """The channel and how it fares, unless it is deleted."""
        found = await self._statuses("c.channel_id = $1", [channel_id], limit=1)
        return found[0] if found else None

    async def list_status(self, wanted: ChannelFilter, *, after: str, limit: int) -> list[ChannelStatus]:
        """At most `limit` channels in the order of their names, those behind `after`."""
        terms, values = ['c.name collate "C" > $1'], list[object]([after])
        for term, value in _terms_of(wanted):
            values.append(value)
            terms.append(term.format(f"${len(values)}"))
        return await self._statuses(" and ".join(terms), values, limit=limit)

    async def count_states(self) -> dict[ChannelState, int]:
        """How many channels there are in each state."""
        rows = await self._work.fetch(
            """
            select case when disabled_at is not null then 'disabled' when failing_since is not null then 'failing'
                        else 'working' end as state, count(*) as channels
            from channels where deleted_at is null group by 1
            """
        )
        found = {ChannelState(row.state): int(row.channels) for row in rows}
        return {state: found.get(state, 0) for state in ChannelState}

    async def _statuses(self, where: str, values: Sequence[object], *, limit: int) -> list[ChannelStatus]:
        # What is on its way is few and has an index of its own, so that it is counted once for all.
        rows = await self._work.fetch(
            f"""
            with live as materialized (
                select channel_id, count(*) as waiting from notices where ended_at is null group by channel_id
            )
            select c.*, coalesce(live.waiting, 0) as waiting from channels c left join live using (channel_id)
            where c.deleted_at is null and {where} order by c.name collate "C" limit ${len(values) + 1}
            """,
            *values,
            limit,
        )
        return [_status_of(row) for row in rows]


def _terms_of(wanted: ChannelFilter) -> Iterator[tuple[str, object]]:
    if wanted.kinds:
        yield "c.kind = any({}::text[])", sorted(wanted.kinds)
    if wanted.is_disabled is not None:
        yield "(c.disabled_at is not null) = {}::bool", wanted.is_disabled
    if wanted.is_failing is not None:
        yield "(c.failing_since is not null) = {}::bool", wanted.is_failing
    if wanted.name_part is not None:
        yield "position(lower({}) in lower(c.name)) > 0", wanted.name_part


def _status_of(row: Row[Any]) -> ChannelStatus:
    return ChannelStatus(channel_of(row), row.waiting)
