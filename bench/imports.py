"""Making monitors by the thousand: through the API's batches, and by `tocsin apply` of a file."""

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from typing import Any

from bench.harness import Servers
from bench.planting import clear
from bench.processes import ROOT, Measured
from bench.programs import HttpProgram

BATCH = 1_000
_YAML = """\
  - name: monitor {number:06}
    group: file {group}
    target: {{kind: http, url: https://shop-{number}.example/health, timeout: 5s}}
    interval: 30s
    conditions: ["[STATUS] == 200", "[RESPONSE_TIME] < 800"]
    labels: {{team: team-{team}}}
    paused: true
"""


@dataclass(frozen=True)
class Import:
    """Seconds, and CPU seconds of the command (or of who sends batches), of the API and of both servers."""

    seconds: float
    client_cpu: float
    api_cpu: float
    servers_cpu: float


def imports(servers: Servers, api: HttpProgram, key: str, *, monitors: int) -> Mapping[str, Import]:
    """Make as many monitors each way, one beside the other; then apply the same file again, which changes nothing."""
    clear(servers)
    batches = [
        json.dumps({"items": [_item(number) for number in range(first, min(first + BATCH, monitors))]}).encode()
        for first in range(0, monitors, BATCH)
    ]
    found = {"`POST /monitors:batch`, 1,000 a request": _timed(servers, api, lambda: _send(api, key, batches))}
    file = servers.directory / "monitors.yaml"
    file.write_text(_yaml(monitors))
    found["`tocsin apply` of one file"] = _timed(servers, api, lambda: apply(api, key, file))
    found["the same file again, nothing changed"] = _timed(servers, api, lambda: apply(api, key, file))
    return found


def monitor(number: int) -> dict[str, Any]:
    """A monitor as most are; it is paused, for nobody looks here."""
    return {
        "name": f"monitor {number:06}",
        "group": f"batch {number % 20}",
        "target": {"kind": "http", "url": f"https://shop-{number}.example/health", "timeout": "5s"},
        "interval": "30s",
        "conditions": ["[STATUS] == 200", "[RESPONSE_TIME] < 800"],
        "labels": {"team": f"team-{number % 5}"},
        "paused": True,
    }


def send_batch(api: HttpProgram, key: str, body: bytes) -> dict[str, Any]:
    """Send one batch and read the answer."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{api.url}/api/v1/monitors:batch", body, headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        told: dict[str, Any] = json.load(answer)
    if told["refused"]:
        raise RuntimeError(f"{told['refused']} changes were refused: {told['results'][:3]}")
    return told


def _send(api: HttpProgram, key: str, batches: list[bytes]) -> None:
    for body in batches:
        send_batch(api, key, body)


def apply(api: HttpProgram, key: str, file: Path) -> None:
    """Apply a file as people do, by the command; its start is in the time."""
    argv = [sys.executable, "-m", "cli.main", "apply", "-f", str(file), "--yes"]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "TOCSIN_URL": api.url, "TOCSIN_API_KEY": key}
    done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=180, check=False)
    if done.returncode:
        raise RuntimeError(f"tocsin apply failed: {done.stderr[-2000:]}")


def _item(number: int) -> dict[str, Any]:
    return {"op": "create", "monitor": monitor(number)}


def _yaml(count: int) -> str:
    return "monitors:\n" + "".join(
        _YAML.format(number=number, group=number % 20, team=number % 5) for number in range(count)
    )


def _timed(servers: Servers, api: HttpProgram, act: Callable[[], None]) -> Import:
    process: Measured = api.process
    before = _client_cpu(), process.cpu_seconds, servers.cpu_seconds
    started = time.perf_counter()
    act()
    seconds = time.perf_counter() - started
    after = _client_cpu(), process.cpu_seconds, servers.cpu_seconds
    return Import(seconds, *(late - early for late, early in zip(after, before, strict=True)))


def _client_cpu() -> float:
    """Of this process, and of those it has waited for."""
    return sum(sum(getrusage(who)[:2]) for who in (RUSAGE_SELF, RUSAGE_CHILDREN))
