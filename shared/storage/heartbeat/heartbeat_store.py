"""Heartbeats: their addresses, and when their next sign of life is due."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row

from shared.domain.heartbeat.pings import Heartbeat
from shared.domain.monitor.schedules import Schedule
from shared.storage.database import UnitOfWork

_TOKEN_BYTES = 24
_MILLISECOND = timedelta(milliseconds=1)

HEARTBEAT_COLUMNS = (
    "h.grace_ms, h.pinged_at, h.armed_at, h.expected_at, h.started_at, h.run_id, m.interval_ms, m.cron, m.timezone"
)
"""What a `Heartbeat` is made of, of the tables `heartbeats` as `h` and `monitors` as `m`."""


@dataclass(frozen=True, slots=True)
class NewHeartbeat:
    """What people say of a heartbeat; its monitor's row is there already."""

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

    async def update(self, changed: Sequence[NewHeartbeat], *, now: datetime) -> None:
        """Set grace and slug, and wait as the monitors' rows say by now, for the grace from now on at least."""
        await self.lock([each.monitor_id for each in changed])
        await self._work.run(
            """
            update heartbeats h set grace_ms = n.grace_ms, slug = n.slug
            from unnest($1::uuid[], $2::int8[], $3::text[]) as n (monitor_id, grace_ms, slug)
            where h.monitor_id = n.monitor_id
            """,
            [each.monitor_id for each in changed],
            [each.grace // _MILLISECOND for each in changed],
            [each.slug for each in changed],
        )
        await self._wait_until(
            {
                monitor_id: (each.armed_at, max(_due(each, each.armed_at), now + each.grace))
                for monitor_id, each in (await self.lock([each.monitor_id for each in changed])).items()
                if each.expected_at is not None and each.armed_at is not None
            }
        )

    async def pause(self, monitor_ids: Sequence[UUID]) -> None:
        """Expect nothing of the heartbeats among these monitors; runs that were begun are forgotten."""
        await self._work.run(
            """
            update heartbeats set armed_at = null, expected_at = null, started_at = null, run_id = null
            from (select monitor_id from heartbeats where monitor_id = any($1::uuid[]) order by monitor_id for update) h
            where heartbeats.monitor_id = h.monitor_id
            """,
            list(monitor_ids),
        )

    async def resume(self, monitor_ids: Sequence[UUID], *, now: datetime) -> None:
        """Expect a ping of the heartbeats among these monitors that were ever pinged: a whole period from now."""
        found = await self.lock(monitor_ids)
        await self._wait_until(
            {
                monitor_id: (now, each.expected_after(now))
                for monitor_id, each in found.items()
                if each.pinged_at is not None and each.expected_at is None
            }
        )

    async def addresses(self, monitor_ids: Sequence[UUID]) -> Mapping[UUID, HeartbeatAddress]:
        """How the heartbeats among these monitors are reached."""
        rows = await self._work.fetch(
            "select monitor_id, ping_id, push_token, slug, pings from heartbeats where monitor_id = any($1::uuid[])",
            list(monitor_ids),
        )
        return {row.monitor_id: HeartbeatAddress(row.ping_id, row.push_token, row.slug, row.pings) for row in rows}

    async def lock(self, monitor_ids: Sequence[UUID]) -> dict[UUID, Heartbeat]:
        """What is waited for of the heartbeats among these monitors, locked in the order of their ids."""
        rows = await self._work.fetch(
            f"""
            select h.monitor_id, {HEARTBEAT_COLUMNS} from heartbeats h join monitors m using (monitor_id)
            where h.monitor_id = any($1::uuid[]) order by h.monitor_id for no key update of h
            """,
            list(monitor_ids),
        )
        return {row.monitor_id: heartbeat_of(row) for row in rows}

    async def _wait_until(self, waits: Mapping[UUID, tuple[datetime | None, datetime]]) -> None:
        """Write since when and until when is waited; what is known of a target holds until then."""
        if not waits:
            return
        await self._work.run(
            """
            update heartbeats h set armed_at = w.armed_at, expected_at = w.expected_at
            from unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[]) as w (monitor_id, armed_at, expected_at)
            where h.monitor_id = w.monitor_id
            """,
            list(waits),
            [armed_at for armed_at, _ in waits.values()],
            [expected_at for _, expected_at in waits.values()],
        )


def _due(heartbeat: Heartbeat, armed_at: datetime) -> datetime:
    """When a sign of life is overdue by the settings of now."""
    if heartbeat.started_at is not None:
        return heartbeat.started_at + heartbeat.grace
    return heartbeat.expected_after(armed_at)


def heartbeat_of(row: Row[Any]) -> Heartbeat:
    """The heartbeat whose columns a statement returns as `HEARTBEAT_COLUMNS`."""
    if row.interval_ms is not None:
        schedule = Schedule(interval=row.interval_ms * _MILLISECOND)
    else:
        schedule = Schedule(cron=row.cron, timezone=row.timezone)
    return Heartbeat(
        schedule=schedule,
        grace=row.grace_ms * _MILLISECOND,
        pinged_at=row.pinged_at,
        armed_at=row.armed_at,
        expected_at=row.expected_at,
        started_at=row.started_at,
        run_id=row.run_id,
    )
