"""Pings as they came: the newest of each heartbeat are kept, with their bodies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from shared.domain.heartbeat.ping_delivery import Delivery
from shared.domain.heartbeat.ping_folding import NumberedPing
from shared.domain.heartbeat.pings import PingKind
from shared.storage.database import UnitOfWork
from shared.storage.storable import storable

KEPT_PINGS = 100
"""How many pings of each heartbeat are kept, as Healthchecks does."""

_PRUNE_EVERY = 10
"""Old pings are deleted this many at a time; what lies beyond those kept is not shown meanwhile."""

_MOST_TEXT = 200


@dataclass(frozen=True, slots=True)
class KeptPing:
    """A ping as it is kept; `body_bytes` is how long its body is, None where there was none."""

    number: int
    at: datetime
    kind: PingKind
    run_id: UUID | None
    exit_status: int | None
    duration_ms: float | None
    scheme: str
    method: str
    user_agent: str
    remote_address: str
    body_bytes: int | None


class PingStore:
    """Pings within one unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def add(self, pings: Sequence[tuple[UUID, NumberedPing, Delivery]]) -> None:
        """Keep pings of locked heartbeats, and delete those that are no longer among the newest."""
        await self._work.run(
            """
            insert into pings (monitor_id, number, at, kind, run_id, exit_status, duration_ms, scheme, method,
                               user_agent, remote_address, body)
            select * from unnest($1::uuid[], $2::int8[], $3::timestamptz[], $4::text[], $5::uuid[], $6::int2[],
                                 $7::float8[], $8::text[], $9::text[], $10::text[], $11::text[], $12::bytea[])
            """,
            [monitor_id for monitor_id, _, _ in pings],
            [each.number for _, each, _ in pings],
            [each.ping.at for _, each, _ in pings],
            [each.ping.kind.value for _, each, _ in pings],
            [each.ping.run_id for _, each, _ in pings],
            [each.ping.exit_status for _, each, _ in pings],
            [each.duration_ms for _, each, _ in pings],
            [delivery.scheme for _, _, delivery in pings],
            [delivery.method for _, _, delivery in pings],
            [storable(delivery.user_agent[:_MOST_TEXT]) for _, _, delivery in pings],
            [delivery.remote_address[:_MOST_TEXT] for _, _, delivery in pings],
            [delivery.body for _, _, delivery in pings],
        )
        await self._prune({monitor_id: each.number for monitor_id, each, _ in pings if not each.number % _PRUNE_EVERY})

    async def find_begun(self, runs: Sequence[tuple[UUID, UUID]]) -> dict[UUID, dict[UUID, datetime]]:
        """When the runs began, of each heartbeat; `runs` are monitors' ids with those of their runs."""
        rows = await self._work.fetch(
            """
            select distinct on (p.monitor_id, p.run_id) p.monitor_id, p.run_id, p.at
            from unnest($1::uuid[], $2::uuid[]) as r (monitor_id, run_id) join pings p using (monitor_id, run_id)
            where p.kind = 'start' order by p.monitor_id, p.run_id, p.number desc
            """,
            [monitor_id for monitor_id, _ in runs],
            [run_id for _, run_id in runs],
        )
        begun: dict[UUID, dict[UUID, datetime]] = {}
        for row in rows:
            begun.setdefault(row.monitor_id, {})[row.run_id] = row.at
        return begun

    async def list_kept(self, monitor_id: UUID, *, before: int | None, limit: int) -> list[KeptPing] | None:
        """The newest pings first, those numbered below `before`; None where the monitor is no heartbeat."""
        heartbeat = await self._work.fetch("select pings from heartbeats where monitor_id = $1", monitor_id)
        if not heartbeat:
            return None
        rows = await self._work.fetch(
            """
            select number, at, kind, run_id, exit_status, duration_ms, scheme, method, user_agent, remote_address,
                   octet_length(body) as body_bytes
            from pings where monitor_id = $1 and number < $2 and number > $3 order by number desc limit $4
            """,
            monitor_id,
            heartbeat[0].pings + 1 if before is None else before,
            heartbeat[0].pings - KEPT_PINGS,
            limit,
        )
        return [_kept(row) for row in rows]

    async def find_body(self, monitor_id: UUID, number: int) -> bytes | None:
        """What came with a ping; None where it had no body, or is not kept."""
        rows = await self._work.fetch(
            """
            select p.body from pings p join heartbeats h using (monitor_id)
            where p.monitor_id = $1 and p.number = $2 and p.number > h.pings - $3
            """,
            monitor_id,
            number,
            KEPT_PINGS,
        )
        return rows[0].body if rows else None

    async def _prune(self, newest: Mapping[UUID, int]) -> None:
        if not newest:
            return
        await self._work.run(
            """
            delete from pings p using unnest($1::uuid[], $2::int8[]) as n (monitor_id, number)
            where p.monitor_id = n.monitor_id and p.number <= n.number
            """,
            list(newest),
            [number - KEPT_PINGS for number in newest.values()],
        )


def _kept(row: Row[Any]) -> KeptPing:
    return KeptPing(
        number=row.number,
        at=row.at,
        kind=PingKind(row.kind),
        run_id=row.run_id,
        exit_status=row.exit_status,
        duration_ms=row.duration_ms,
        scheme=row.scheme,
        method=row.method,
        user_agent=row.user_agent,
        remote_address=row.remote_address,
        body_bytes=row.body_bytes,
    )
