"""What Prometheus' evaluations of the same rules cost, over samples that are there already."""

import random
import re
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.alert_costs import INTERVAL
from bench.alert_pair import PROMETHEUS, Pair, prometheus
from bench.alert_planting import duration_at
from bench.block_sizes import PROMTOOL
from bench.harness import Servers
from bench.processes import tree_cpu_seconds

LONGEST_SECONDS = 6 * 3600
AHEAD_SECONDS = 600
"""Samples reach as far into the future, so that each evaluation finds a full window."""
SETTLE_SECONDS, WATCHED_SECONDS = 3.0, 6.0
_EVALUATED = re.compile(r"^prometheus_rule_evaluations_total\{.*\} (\S+)$", re.MULTILINE)
_TAKEN = re.compile(r"^prometheus_rule_evaluation_duration_seconds_sum (\S+)$", re.MULTILINE)
RULES = {
    **{
        f"p95 over {window}": f"quantile_over_time(0.95, duration_ms[{window}]) > 9000" for window in ("5m", "1h", "6h")
    },
    **{f"mean over {window}": f"avg_over_time(duration_ms[{window}]) > 9000" for window in ("5m", "1h", "6h")},
}


@dataclass(frozen=True)
class Evaluations:
    """Microseconds that a rule takes for one series: of CPU, idle costs taken off, and by Prometheus' own metric."""

    cpu_us: float
    told_us: float


def evaluations(servers: Servers, *, series: int) -> Mapping[str, Evaluations]:
    """Each rule alone, judged every second over all series; nothing where the programs are missing."""
    promtool = shutil.which(PROMTOOL)
    if promtool is None or shutil.which(PROMETHEUS) is None:
        return {}
    data = servers.directory / "prometheus-data"
    _make_blocks(promtool, data, series)
    idle = _watch(servers, data, None)[0]
    found: dict[str, Evaluations] = {}
    for name, expression in RULES.items():
        cpu, evaluated, taken = _watch(servers, data, expression)
        found[name] = Evaluations(*((spent / max(evaluated, 1) / series * 1e6) for spent in (cpu - idle, taken)))
    shutil.rmtree(data)
    return found


def _make_blocks(promtool: str, data: Path, series: int) -> None:
    text = data.with_suffix(".om")
    with text.open("w") as file:
        file.writelines(_open_metrics(series))
    argv = [promtool, "tsdb", "create-blocks-from", "openmetrics", "--quiet", str(text), str(data)]
    subprocess.run([*argv, "--max-block-duration=24h"], check=True, capture_output=True, timeout=300)
    text.unlink()


def _open_metrics(series: int) -> Iterator[str]:
    now, draw, step = int(time.time()), random.Random(5), int(INTERVAL.total_seconds())
    yield "# TYPE duration_ms gauge\n"
    for number in range(series):
        for at in range(now - LONGEST_SECONDS, now + AHEAD_SECONDS, step):
            yield f'duration_ms{{number="{number}"}} {duration_at(draw)} {at}\n'
    yield "# EOF\n"


def _watch(servers: Servers, data: Path, expression: str | None) -> tuple[float, float, float]:
    """CPU seconds of some seconds, how many evaluations were made in them, and the seconds these took."""
    rules = [] if expression is None else [{"alert": "bench", "expr": expression}]
    with prometheus(servers.directory, {}, rules=rules, data=data) as running:
        time.sleep(SETTLE_SECONDS)
        before = _told(running)
        time.sleep(WATCHED_SECONDS)
        after = _told(running)
    cpu, evaluated, taken = (late - early for late, early in zip(after, before, strict=True))
    return cpu, evaluated, taken


def _told(running: Pair) -> tuple[float, float, float]:
    with urllib.request.urlopen(f"{running.url}/metrics", timeout=10) as answer:
        metrics = answer.read().decode()
    [process] = running.processes
    evaluated, taken = (sum(map(float, found.findall(metrics))) for found in (_EVALUATED, _TAKEN))
    return tree_cpu_seconds(process.pid), evaluated, taken
