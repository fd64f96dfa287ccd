"""Pings from two processes, silence, pauses, changes and deletions at once: nobody waits in a circle."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID

import pytest
from heartbeat_site import HeartbeatSite
from quiet_alerting import quiet_alerting

from shared.domain.heartbeat.ping_delivery import Door, PingAddress, PingAnswer
from shared.domain.heartbeat.pings import PingKind
from shared.domain.monitor.monitor_changes import CreateMonitor, DeleteMonitor, PatchMonitor, PauseMonitor
from shared.domain.monitor.monitors import MonitorSpec
from shared.services.monitor.monitors import Monitors
from shared.storage.database import Database, create_engine
from shared.vault import Vault

SECONDS = 2.5
HEARTBEATS = 6


class Storm:
    """Everything at once, on few heartbeats, until it is told to end."""

    def __init__(self, database: Database) -> None:
        self.random = random.Random(20261121)
        self.sites = [HeartbeatSite(database), HeartbeatSite(database)]
        self.monitors = Monitors(database, Vault(), quiet_alerting(), tell=lambda _: None)
        self.addresses: dict[UUID, PingAddress] = {}
        self.answers: list[PingAnswer] = []

    async def make(self, number: int) -> UUID:
        """Make the heartbeat of a number."""
        spec = MonitorSpec.model_validate_json(
            f'{{"name": "{number}", "interval": "1s", "target": {{"kind": "heartbeat", "grace": "1s"}}}}'
        )
        monitor_id = UUID(int=self.random.getrandbits(128), version=4)
        await self.monitors.change([CreateMonitor(monitor_id, spec)], by="tests")
        self.addresses[monitor_id] = PingAddress(Door.PING_ID, str((await self.sites[0].address(monitor_id)).ping_id))
        return monitor_id

    async def ping(self) -> None:
        """Many at once, of several heartbeats, through both processes."""
        addresses = list(self.addresses.values())
        self.answers += await asyncio.gather(
            *(
                site.heartbeats.take(
                    site.delivery(self.random.choice(addresses), self.random.choice(list(PingKind)), message="so")
                )
                for site in self.sites * 10
            )
        )

    async def watch(self) -> None:
        """Make some overdue, and judge them."""
        async with self.sites[0].database.transaction() as work:
            await work.run(
                "update heartbeats set expected_at = expected_at - interval '3 s' where monitor_id = $1",
                self.random.choice(list(self.addresses)),
            )
        await asyncio.gather(*(site.heartbeats.watch() for site in self.sites))

    async def pause(self) -> None:
        """Pause some, and let them go on."""
        chosen = self.random.sample(list(self.addresses), 3)
        for is_paused in (True, False):
            await self.monitors.change([PauseMonitor(each, is_paused) for each in chosen], by="tests")

    async def change(self) -> None:
        """Give some another grace."""
        chosen = self.random.sample(list(self.addresses), 3)
        patch = {"target": {"grace": f"{self.random.randint(1, 3)}s"}}
        await self.monitors.change([PatchMonitor(each, patch) for each in chosen], by="tests")

    async def replace(self) -> None:
        """Delete one while it is pinged, and make another."""
        doomed = self.random.choice(list(self.addresses))
        await self.monitors.change([DeleteMonitor(doomed)], by="tests")
        del self.addresses[doomed]
        await self.make(self.random.getrandbits(60))

    async def until(self, seconds: float) -> None:
        """Blow for so long; what fails is raised."""
        ends_at = asyncio.get_running_loop().time() + seconds

        async def blow(flow: Callable[[], Awaitable[object]]) -> None:
            while asyncio.get_running_loop().time() < ends_at:
                await flow()

        async with asyncio.TaskGroup() as group:
            for flow in (self.ping, self.watch, self.pause, self.change):
                group.create_task(blow(flow))
        for _ in range(5):
            await asyncio.gather(self.ping(), self.replace(), self.watch())


@pytest.fixture
async def storm(fresh_database_url: str) -> AsyncIterator[Storm]:
    database = Database(create_engine(fresh_database_url, pool_size=8, name="storm"))
    yield Storm(database)
    await database.close()


async def test_no_ping_fails_and_each_state_is_what_its_timeline_says(storm: Storm) -> None:
    """However pings, silence and changes are mixed; numbers have no gap, and the newest span is the state."""
    for number in range(HEARTBEATS):
        await storm.make(number)
    await storm.until(SECONDS)
    assert PingAnswer.TAKEN in storm.answers
    assert PingAnswer.PAUSED in storm.answers
    async with storm.sites[0].database.transaction() as work:
        rows = await work.fetch(
            """
            select s.state, h.pings,
                   (select max(number) from pings p where p.monitor_id = h.monitor_id) as newest,
                   (select array[l.state::text, l.started_at::text] from state_spans l
                    where l.monitor_id = h.monitor_id order by started_at desc limit 1) as span, s.since::text as begun
            from heartbeats h join monitor_states s using (monitor_id)
            """
        )
    assert len(rows) == HEARTBEATS
    for row in rows:
        assert row.span == [str(row.state), row.begun]
        assert (row.newest or 0) == row.pings
