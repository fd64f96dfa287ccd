"""Which heartbeat a ping is for."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.domain.heartbeat.ping_delivery import Door, PingAddress
from shared.storage.database import UnitOfWork


@dataclass(frozen=True, slots=True)
class FoundAddresses:
    """The monitors of each address, more than one only of a slug, and the database's time of now."""

    monitors: Mapping[PingAddress, Sequence[UUID]]
    now: datetime


class PingAddressStore:
    """Addresses within one unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def find(self, addresses: Collection[PingAddress]) -> FoundAddresses:
        """The monitors that the addresses lead to; they may be gone when they are locked."""
        rows = await self._work.fetch(
            """
            select h.monitor_id, h.ping_id::text, h.push_token, h.slug from heartbeats h
            where h.ping_id = any($1::uuid[]) or h.push_token = any($2::text[]) or h.slug = any($3::text[])
            """,
            _names(addresses, Door.PING_ID),
            _names(addresses, Door.PUSH_TOKEN),
            _names(addresses, Door.SLUG),
        )
        found: dict[PingAddress, list[UUID]] = {}
        for row in rows:
            doors = ((Door.PING_ID, row.ping_id), (Door.PUSH_TOKEN, row.push_token), (Door.SLUG, row.slug))
            for door, name in doors:
                address = PingAddress(door, name)
                if address in addresses:
                    found.setdefault(address, []).append(row.monitor_id)
        clock = await self._work.fetch("select date_trunc('milliseconds', clock_timestamp()) as now")
        return FoundAddresses(found, clock[0].now)


def _names(addresses: Collection[PingAddress], door: Door) -> list[str]:
    return [each.name for each in addresses if each.door is door]
