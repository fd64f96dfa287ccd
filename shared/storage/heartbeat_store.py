"""Heartbeats: their addresses, and when their next sign of life is due."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

from shared.storage.database import UnitOfWork

_TOKEN_BYTES = 24
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class NewHeartbeat:
    """What a heartbeat is made of; its monitor's row is there already."""

    monitor_id: UUID
    grace: timedelta
    slug: str | None = None


@dataclass(frozen=True, slots=True)
class HeartbeatAddress:
    """How a heartbeat is reached: who knows `ping_id` or `push_token` may speak for it."""

    ping_id: UUID
    push_token: str
    slug: str | None
    pings: int


class HeartbeatStore:
    """Heartbeats within one unit of work. Rows are locked after those of `monitor_states`, in the order of ids.

    A heartbeat goes with its monitor: the database deletes it and its pings.
    """

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def add(self, heartbeats: Sequence[NewHeartbeat]) -> None:
        """Make heartbeats, each with addresses of its own; nothing is expected of one before its first ping."""
        await self._work.run(
            """
            insert into heartbeats (monitor_id, ping_id, push_token, slug, grace_ms)
            select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::int8[])
            """,
            [each.monitor_id for each in heartbeats],
            [uuid4() for _ in heartbeats],
            [secrets.token_urlsafe(_TOKEN_BYTES) for _ in heartbeats],
            [each.slug for each in heartbeats],
            [each.grace // _MILLISECOND for each in heartbeats],
        )

    async def update(self, monitor_id: UUID, *, grace: timedelta, slug: str | None) -> None:
        """Set grace and slug; addresses stay. What is waited for at the moment is judged as it was begun."""
        await self._work.run(
            "update heartbeats set grace_ms = $2, slug = $3 where monitor_id = $1",
            monitor_id,
            grace // _MILLISECOND,
            slug,
        )

    async def pause(self, monitor_ids: Sequence[UUID]) -> None:
        """Expect nothing of them; runs that were begun are forgotten. Other monitors are passed over.

        Nothing has to be done to resume: what is expected begins with the next ping.
        """
        await self._work.run(
            """
            update heartbeats set armed_at = null, expected_at = null, started_at = null, run_id = null
            from (select monitor_id from heartbeats where monitor_id = any($1::uuid[]) order by monitor_id for update) h
            where heartbeats.monitor_id = h.monitor_id
            """,
            list(monitor_ids),
        )

    async def addresses(self, monitor_ids: Sequence[UUID]) -> Mapping[UUID, HeartbeatAddress]:
        """How the heartbeats among these monitors are reached."""
        rows = await self._work.fetch(
            "select monitor_id, ping_id, push_token, slug, pings from heartbeats where monitor_id = any($1::uuid[])",
            list(monitor_ids),
        )
        return {row.monitor_id: HeartbeatAddress(row.ping_id, row.push_token, row.slug, row.pings) for row in rows}
