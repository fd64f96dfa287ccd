"""Kill -9 between every two steps from the judgement to the record: each firing comes, and so does its resolve."""

import asyncio
import json
import signal
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from alert_crashing import OF_ROUNDS, REPEATED, Moment, look, work_and_die_at
from alert_site import AlertSite
from http_servers import Seen, answer, serve
from job_bench import Bench
from notice_site import NoticeSite
from proving import LOOK_SECONDS, PATIENCE_SECONDS, StartVictim, hurried_upkeep
from quiet_alerting import quiet_alerting
from round_site import SECOND, add_monitor

from chaos.ground import Ground, Weather
from chaos.processes import Victim
from shared.domain.monitor.monitor_changes import DeleteMonitor
from shared.services.monitor.monitors import Monitors
from shared.settings import Settings
from shared.storage.errors import StorageUnavailableError
from shared.vault import Vault
from worker.main import serve as serve_worker

KILLED = -signal.SIGKILL
EDITED, DELETED = "edited", "deleted"
"""A monitor whose rule is edited while it fires, and one that is deleted."""
DOWN = "state == down"
OWED = """
select exists (select from tellings where not is_settled) or exists (select from notices where ended_at is null) as owed
"""
TRANSITIONS = """
select alert_id, array_agg(kind order by event_id) as kinds from alert_events
where kind in ('pend', 'fire', 'clear', 'resolve') group by alert_id
"""
STANDING = """
select m.group_name, s.state, a.alert_id::text, a.state as alert, n.state as notice, j.state as job, j.attempt,
       j.lost_attempts, j.run_at - now() as due_in, j.blocked_by, j.error::text
from monitors m join monitor_states s using (monitor_id) left join alerts a on a.monitor_id = m.monitor_id
left join tellings t on t.alert_id = a.alert_id left join notices n on n.group_id = t.group_id
left join jobs j on j.job_id = n.job_id order by m.monitor_id
"""
"""What a proof that waits in vain is looked into by."""


@dataclass
class World:
    """Targets that are down when they are named so, and a receiver that takes whatever it is told."""

    down: set[str] = field(default_factory=set)
    told: list[Seen] = field(default_factory=list)

    async def __call__(self, seen: Seen, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        if seen.method == "POST":
            self.told.append(seen)
        is_down = seen.path.strip("/") in self.down
        writer.write(answer(status="503 Service Unavailable" if is_down else "200 OK"))
        await writer.drain()

    def statuses(self) -> dict[str, list[str]]:
        """What was said of each monitor, repeats left out."""
        said: dict[str, list[str]] = defaultdict(list)
        for bodies in self.bodies().values():
            for alert in json.loads(bodies[0])["alerts"]:
                said[alert["labels"]["monitor"]].append(alert["status"])
        return said

    def bodies(self) -> dict[str, list[bytes]]:
        """What came under each id, in the order of their first coming."""
        bodies: dict[str, list[bytes]] = defaultdict(list)
        for seen in self.told:
            bodies[seen.headers["webhook-id"]].append(seen.body)
        return bodies


@dataclass
class Crashes:
    """Monitors by the moment at which a worker dies of them, on servers that may be struck."""

    bench: Bench
    world: World
    settings: Settings
    start: StartVictim
    monitors: dict[str, UUID] = field(default_factory=dict)
    edited: str = field(init=False)
    rule_id: UUID = field(init=False)

    async def watch(self, url: str) -> None:
        """Monitors, two rules and a channel."""
        site = AlertSite(self.bench.database)
        await NoticeSite(self.bench.database).channel(url=f"{url}told", group_by=["..."])
        for name in (*Moment, EDITED, DELETED):
            target = {"kind": "http", "url": f"{url}{name}"}
            self.monitors[name] = await add_monitor(self.bench.database, target, interval=SECOND)
        await site.rule(DOWN, "down", selector=f"monitor!={self.monitors[EDITED]}", channels=["ops"])
        self.edited = f"monitor={self.monitors[EDITED]}"
        self.rule_id = await site.rule(DOWN, EDITED, selector=self.edited, channels=["ops"])

    async def meddle(self) -> None:
        """Edit the one rule, and delete the one monitor."""
        site = AlertSite(self.bench.database)
        await site.edit(self.rule_id, "state == degraded", EDITED, selector=self.edited, channels=["ops"])
        monitors = Monitors(self.bench.database, Vault(), quiet_alerting(), tell=lambda _: None)
        await monitors.change([DeleteMonitor(self.monitors[DELETED])], by="tests")

    async def die_everywhere(self, *, down: bool) -> None:
        """Let each target change, and a worker die of it at its moment; nobody else does that step meanwhile."""
        looking: Victim | None = None
        for moment in Moment:
            if moment not in OF_ROUNDS and looking is None:
                looking = self.start("looking", look, self.settings)
            dying = self.start(moment.value, work_and_die_at, self.settings, moment)
            self.world.down ^= {moment.value}
            assert (moment.value in self.world.down) is down
            assert await asyncio.to_thread(dying.wait) == KILLED, dying.tail()
        assert looking is not None
        looking.end()

    async def until_said(self, statuses: list[str], *, of: set[str]) -> None:
        """Wait until that, and nothing else, was said of these monitors."""
        wanted = {str(self.monitors[name]): statuses for name in of}
        said: dict[str, list[str]] = {}
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while True:
                    said = self.world.statuses()
                    if all(said.get(name) == told for name, told in wanted.items()):
                        return
                    await asyncio.sleep(LOOK_SECONDS)
        except TimeoutError:
            rest = {name: said.get(str(monitor_id)) for name, monitor_id in self.monitors.items()}
            raise AssertionError(f"not all of it was said: {rest}; {await self.read(STANDING)}") from None

    async def until_settled(self) -> None:
        """Wait until nobody is owed anything."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                # The first connections after the restart are found closed.
                with suppress(StorageUnavailableError):
                    if not (await self.read(OWED))[0].owed:
                        return
                await asyncio.sleep(LOOK_SECONDS)

    async def read(self, statement: str) -> Sequence[Any]:
        """What the database says."""
        async with self.bench.database.transaction() as work:
            return await work.fetch(statement)


@pytest.fixture
async def crashes(bench: Bench, victims_settings: Settings, start: StartVictim) -> AsyncIterator[Crashes]:
    """All of it; afterwards nobody looks at the monitors any more."""
    made = Crashes(bench, World(), victims_settings, start)
    async with serve(made.world) as server:
        await made.watch(server.url())
        yield made
    async with bench.database.transaction() as work:
        await work.run("delete from schedules")


@pytest.mark.timeout(300)
async def test_a_death_at_any_step_loses_no_firing_and_no_resolve(crashes: Crashes, own_ground: Ground) -> None:
    """Valkey is wiped under the firings, PostgreSQL killed under the resolves; a rule is edited, a monitor deleted."""
    moments = {moment.value for moment in Moment}
    crashes.world.down |= {EDITED, DELETED}
    await crashes.die_everywhere(down=True)
    await asyncio.to_thread(own_ground.strike, Weather.FLUSHALL)
    survivor = crashes.start("survivor", serve_worker, crashes.settings)
    async with hurried_upkeep(crashes.bench):
        await crashes.until_said(["firing"], of=moments | {EDITED, DELETED})
    survivor.end()
    await crashes.die_everywhere(down=False)
    await crashes.meddle()
    await asyncio.to_thread(own_ground.strike, Weather.POSTGRES_RESTART)
    crashes.start("survivor", serve_worker, crashes.settings)
    async with hurried_upkeep(crashes.bench):
        await crashes.until_said(["firing", "resolved"], of=moments | {EDITED, DELETED})
        await crashes.until_settled()
    repeated = [bodies for bodies in crashes.world.bodies().values() if len(bodies) > 1]
    assert len(repeated) >= 2 * len(REPEATED)
    assert all(len(set(bodies)) == 1 for bodies in repeated)
    assert [row.kinds for row in await crashes.read(TRANSITIONS)] == [["fire", "resolve"]] * len(crashes.monitors)
