"""Heartbeats for tests: planted, pinged, and moved in time."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from monitor_data import MonitorData, plant_monitors
from quiet_alerting import quiet_alerting

from shared.domain.heartbeat.ping_delivery import Delivery, Door, PingAddress, PingAnswer
from shared.domain.heartbeat.pings import PingKind
from shared.domain.live import LiveEvent
from shared.domain.monitor.standing import STATE_OF_CODE, MonitorState, StateChange
from shared.services.heartbeat.heartbeats import Heartbeats
from shared.storage.database import Database
from shared.storage.heartbeat.heartbeat_store import HeartbeatAddress, HeartbeatStore, NewHeartbeat
from shared.storage.heartbeat.listening_store import ListeningStore

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


class HeartbeatSite:
    """A database with heartbeats, the service that takes their pings, and what it told live."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.told: list[LiveEvent] = []
        self.heartbeats = Heartbeats(database, self._tell, quiet_alerting())

    def _tell(self, events: Sequence[LiveEvent]) -> None:
        self.told.extend(events)

    async def plant(
        self,
        *,
        slug: str | None = None,
        interval: timedelta = HOUR,
        grace: timedelta = MINUTE,
        state: MonitorState = MonitorState.PENDING,
    ) -> UUID:
        """Make a heartbeat that was never pinged."""
        monitor_id = uuid4()
        made_at = datetime.now(UTC) - timedelta(days=1)
        data = MonitorData(monitor_id, [StateChange(made_at, state)], kind="heartbeat", interval=interval)
        await plant_monitors(self.database, [data])
        async with self.database.transaction() as work:
            await HeartbeatStore(work).add([NewHeartbeat(monitor_id, grace, slug)])
            await ListeningStore(work).note()
        return monitor_id

    async def address(self, monitor_id: UUID) -> HeartbeatAddress:
        """How a heartbeat is reached."""
        async with self.database.transaction() as work:
            return (await HeartbeatStore(work).addresses([monitor_id]))[monitor_id]

    async def ping(self, monitor_id: UUID, kind: PingKind = PingKind.SUCCESS, **said: Any) -> PingAnswer:
        """Ping a heartbeat by its id."""
        address = PingAddress(Door.PING_ID, str((await self.address(monitor_id)).ping_id))
        return await self.heartbeats.take(self.delivery(address, kind, **said))

    def delivery(self, address: PingAddress, kind: PingKind = PingKind.SUCCESS, **said: Any) -> Delivery:
        """A ping that arrives now."""
        return Delivery(address, kind, **{"received": asyncio.get_running_loop().time()} | said)

    async def age(self, monitor_id: UUID, by: timedelta) -> None:
        """Let time pass: all that is kept of a heartbeat becomes older."""
        async with self.database.transaction() as work:
            for table, columns in _MOMENTS.items():
                changes = ", ".join(f"{column} = {column} - $2::interval" for column in columns)
                await work.run(f"update {table} set {changes} where monitor_id = $1", monitor_id, by)

    async def hear_until(self, moment: datetime | None) -> None:
        """Let the last time that somebody listened be `moment`; None for now."""
        async with self.database.transaction() as work:
            await work.run("update listening set heard_at = coalesce($1, clock_timestamp())", moment)

    async def be_deaf(self, start: datetime, end: datetime) -> None:
        """Let nobody have listened in a time that is over."""
        async with self.database.transaction() as work:
            await work.run("insert into deaf_spans values ($1, $2)", start, end)

    async def row(self, table: str, monitor_id: UUID) -> Any:
        """The one row that a monitor has in a table."""
        async with self.database.transaction() as work:
            (row,) = await work.fetch(f"select * from {table} where monitor_id = $1", monitor_id)
        return row

    async def spans(self, monitor_id: UUID) -> list[tuple[datetime, MonitorState, str | None]]:
        """The status timeline."""
        async with self.database.transaction() as work:
            rows = await work.fetch(
                "select started_at, state, code from state_spans where monitor_id = $1 order by started_at", monitor_id
            )
        return [(row.started_at, STATE_OF_CODE[row.state], row.code) for row in rows]

    async def samples(self, monitor_id: UUID) -> list[Any]:
        """The samples, the oldest first."""
        async with self.database.transaction() as work:
            return list(
                await work.fetch(
                    "select p.ts, p.value, p.outcome, p.extras from sample p join series using (series_id)"
                    " where monitor_id = $1 order by p.ts",
                    monitor_id,
                )
            )


_MOMENTS = {
    "monitor_states": ("since", "covered_until", "last_at", "sampled_at"),
    "heartbeats": ("pinged_at", "armed_at", "expected_at", "started_at"),
    "pings": ("at",),
    "state_spans": ("started_at",),
}
