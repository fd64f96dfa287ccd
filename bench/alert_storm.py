"""Everything goes down at once: how long until all alerts fire and are told, by how many notices, at which cost."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass

import asyncpg

from bench.alarms import OURS, THEIRS, Alarm, ToldSide, alarm
from bench.alert_latency import WARM_UP_SECONDS, site, tell_down
from bench.alert_pair import PAIR, is_pair_installed, pair
from bench.alert_planting import clear_alerts
from bench.harness import Servers, execute
from bench.peers.alarm import TEAMS
from bench.rounds import Rounds
from bench.scheduled import Costs
from bench.targets import http_targets, urls

EACH, BY_TEAM = "...", "team"
"""Each alert alone, or those of a team together."""
PATIENCE_SECONDS = 240.0
_LABELS = f"""
    update monitors m set labels = jsonb_build_object('number', n::text, 'team', 'team-' || n % {TEAMS})
    from (select monitor_id, row_number() over () - 1 as n from monitors) o where o.monitor_id = m.monitor_id
"""


@dataclass(frozen=True)
class Storm:
    """Seconds from the first sight of it until all was recorded, and until all was told; notices; CPU seconds."""

    alerts: int
    told: int
    fired_seconds: float | None
    told_seconds: float
    notices: int
    costs: Costs


def storms(servers: Servers, key: str, *, alerts: int) -> Mapping[str, Storm]:
    """Tocsin and the pair, with a notice for each alert, and with one for each team."""
    found: dict[str, Storm] = {}
    with alarm(servers.directory) as place:
        for title, group_by in (("one group a team", BY_TEAM), ("each alert alone", EACH)):
            found[f"{OURS}, {title}"] = _ours(servers, key, place, alerts, group_by)
            if is_pair_installed():
                found[f"{PAIR}, {title}"] = _theirs(servers, place, alerts, group_by)
    return found


def _ours(servers: Servers, key: str, place: Alarm, alerts: int, group_by: str) -> Storm:
    clear_alerts(servers)
    # What was told in the storm before is forgotten.
    place.break_them(OURS, {})
    with http_targets(servers.directory) as (_, port), site(servers, place) as (api, programs):
        targets: list[dict[str, object]] = [
            {"kind": "http", "url": url, "conditions": ["[STATUS] == 500"]} for url in urls(port, alerts)
        ]
        rounds = Rounds(servers, targets)
        asyncio.run(execute(servers.database_url, "update monitors set confirmations = 0"))
        asyncio.run(execute(servers.database_url, _LABELS))
        tell_down(api, key, place, group_by=group_by)
        started, before = time.time(), Costs.so_far(servers, programs)
        rounds.queue().fill()
        fired = asyncio.run(_until_fired(servers, alerts))
        told = place.wait_for(OURS, alerts, within_seconds=PATIENCE_SECONDS)
        costs = Costs.so_far(servers, programs).since(before)
    return _storm(alerts, told, started, costs, fired=fired)


async def _until_fired(servers: Servers, alerts: int) -> float | None:
    """When all alerts were found firing; None when they were not in time."""
    connection = await asyncpg.connect(servers.database_url)
    try:
        for _ in range(int(PATIENCE_SECONDS / 0.25)):
            if await connection.fetchval("select count(*) from alerts where state = 'firing'") >= alerts:
                return time.time()
            await asyncio.sleep(0.25)
        return None
    finally:
        await connection.close()


def _theirs(servers: Servers, place: Alarm, alerts: int, group_by: str) -> Storm:
    place.break_them(THEIRS, {})
    scrape = {
        "job_name": "exporter",
        "metrics_path": f"/metrics/{alerts}",
        "static_configs": [{"targets": [f"127.0.0.1:{place.port}"]}],
    }
    rule = {"alert": "down", "expr": "working == 0"}
    with pair(servers, scrape=scrape, rule=rule, hook=place.hook(THEIRS), group_by=[group_by]) as running:
        time.sleep(WARM_UP_SECONDS)
        started, before = time.time(), Costs.so_far(servers, running.processes)
        place.break_them(THEIRS, {0: started})
        told = place.wait_for(THEIRS, alerts, within_seconds=PATIENCE_SECONDS)
        costs = Costs.so_far(servers, running.processes).since(before)
    return _storm(alerts, told, started, costs, fired=None)


def _storm(alerts: int, told: ToldSide, started: float, costs: Costs, *, fired: float | None) -> Storm:
    last = max(told.told.values(), default=started)
    return Storm(alerts, len(told.told), fired and fired - started, last - started, told.notices, costs)
