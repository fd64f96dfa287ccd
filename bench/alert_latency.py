"""From the look that finds a target down to the request that tells of it, through all processes, beside the pair."""

import json
import random
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import quantiles
from typing import Any

from bench.alarms import OURS, THEIRS, Alarm, ToldSide, alarm
from bench.alert_pair import PAIR, is_pair_installed, pair
from bench.alert_planting import clear_alerts
from bench.harness import Servers
from bench.processes import Measured
from bench.programs import HttpProgram, tocsin_api, tocsin_workers
from bench.scheduled import Costs
from shared.vault import new_key

WARM_UP_SECONDS = 8.0
"""Everything is looked at and judged a few times; a Prometheus knows its Alertmanager only after five seconds."""
APART_SECONDS = 0.1
PATIENCE_SECONDS = 30.0


@dataclass(frozen=True)
class Latency:
    """How many of the alerts were told, milliseconds until they were, and CPU seconds meanwhile."""

    fires: int
    told: int
    p50_ms: float
    p99_ms: float
    most_ms: float
    costs: Costs

    @classmethod
    def of(cls, fires: int, told: ToldSide, costs: Costs) -> "Latency":
        """What a side came to."""
        taken = told.latencies_ms()
        cuts = quantiles(taken, n=100)
        return cls(fires, len(taken), cuts[49], cuts[98], max(taken), costs)


def latencies(servers: Servers, key: str, *, fires: int) -> Mapping[str, Latency]:
    """As many targets, each looked at every second, go down one after the other; no two of them are told together."""
    with alarm(servers.directory) as place:
        found = {OURS: _ours(servers, key, place, fires)}
        if is_pair_installed():
            found[PAIR] = _theirs(servers, place, fires)
    return found


def call(api: HttpProgram, key: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Ask the API for something by POST."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{api.url}/api/v1{path}", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        told: dict[str, Any] = json.load(answer)
    return told


def tell_down(api: HttpProgram, key: str, place: Alarm, *, group_by: str) -> None:
    """A channel that waits for nothing, and a rule that tells there what is down."""
    channel = {"name": "ops", "kind": "webhook", "url": place.hook(OURS), "group_by": [group_by]}
    call(api, key, "/channels", {**channel, "group_wait": "0s", "group_interval": "1s"})
    call(api, key, "/rules", {"name": "down", "expression": "state == down", "channels": ["ops"]})


@contextmanager
def site(servers: Servers, place: Alarm) -> Iterator[tuple[HttpProgram, list[Measured]]]:
    """The API and one worker, which may look at this machine and tell the receiver on it."""
    variables = {
        "TOCSIN_SECRET_KEYS": new_key(),
        "TOCSIN_EGRESS_LOOPBACK": "true",
        "TOCSIN_EGRESS_ALLOW": f"127.0.0.1/32:{place.port}",
    }
    with tocsin_api(servers, environment=variables) as api, tocsin_workers(servers, environment=variables) as workers:
        yield api, [*workers, api.process]


def _ours(servers: Servers, key: str, place: Alarm, fires: int) -> Latency:
    clear_alerts(servers)
    with site(servers, place) as (api, programs):
        monitors = [_monitor(place, number) for number in range(fires)]
        call(api, key, "/monitors:batch", {"items": [{"op": "create", "monitor": each} for each in monitors]})
        tell_down(api, key, place, group_by="...")
        return _break(servers, place, OURS, fires, programs=programs)


def _monitor(place: Alarm, number: int) -> dict[str, Any]:
    return {
        "name": f"target {number}",
        "labels": {"number": str(number)},
        "interval": "1s",
        "confirmations": 0,
        "target": {"kind": "http", "url": place.url + place.target(OURS, number)},
        "conditions": ["[STATUS] == 200"],
    }


def _theirs(servers: Servers, place: Alarm, fires: int) -> Latency:
    targets = [
        {
            "targets": [f"127.0.0.1:{place.port}"],
            "labels": {"number": str(number), "__metrics_path__": place.target(THEIRS, number)},
        }
        for number in range(fires)
    ]
    scrape = {"job_name": "targets", "static_configs": targets}
    rule = {"alert": "down", "expr": "up == 0"}
    with pair(servers, scrape=scrape, rule=rule, hook=place.hook(THEIRS), group_by=["..."]) as running:
        return _break(servers, place, THEIRS, fires, programs=running.processes)


def _break(servers: Servers, place: Alarm, side: str, fires: int, *, programs: Sequence[Measured]) -> Latency:
    time.sleep(WARM_UP_SECONDS)
    numbers = random.Random(3).sample(range(fires), fires)
    start = time.time() + 1
    before = Costs.so_far(servers, programs)
    place.break_them(side, {number: start + turn * APART_SECONDS for turn, number in enumerate(numbers)})
    time.sleep(fires * APART_SECONDS + 1)
    told = place.wait_for(side, fires, within_seconds=PATIENCE_SECONDS)
    return Latency.of(fires, told, Costs.so_far(servers, programs).since(before))
