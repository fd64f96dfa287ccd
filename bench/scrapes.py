"""The same targets by Prometheus and blackbox_exporter, set up as their documentation says."""

import json
import shutil
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from bench.blackbox import MODULE, blackbox
from bench.harness import Servers, answers, free_port
from bench.processes import Measured, measured
from bench.scheduled import SUSTAINED, Costs, Demand, watch
from bench.targets import urls

PROMETHEUS = "prometheus"
LATE_SECONDS = 2.0
"""How long after the window a scrape that began within it may still be under way."""
_CONFIGURATION = """
global:
  scrape_interval: {interval}s
  scrape_timeout: {interval}s
scrape_configs:
  - job_name: blackbox
    metrics_path: /probe
    params:
      module: [{module}]
    file_sd_configs:
      - files: [{targets}]
    relabel_configs:
      - source_labels: [__address__]
        target_label: __param_target
      - source_labels: [__param_target]
        target_label: instance
      - target_label: __address__
        replacement: {exporter}
"""


@dataclass(frozen=True)
class Scrapes:
    """What Prometheus stored of a demand's window, and how many of its checks found their target up."""

    demand: Demand
    stored: int
    up: int
    costs: Costs

    @property
    def is_sustained(self) -> bool:
        """Whether nearly all scrapes were made; Prometheus does not tell how late each was."""
        return self.stored >= SUSTAINED * self.demand.checks


def run_scrapes(servers: Servers, port: int, demand: Demand) -> Scrapes | None:
    """Scrape for as long as our workers are watched; None where one of the programs is not installed."""
    program = shutil.which(PROMETHEUS)
    with blackbox(servers) as exporter:
        if program is None or exporter is None:
            return None
        place = exporter.url.removeprefix("http://")
        with _prometheus(program, servers.directory, urls(port, demand.targets), demand, exporter=place) as running:
            process, url = running
            time.sleep(demand.warm_up_seconds)
            start = time.time()
            costs = watch(servers, [process, exporter.process], demand.window_seconds)
            time.sleep(LATE_SECONDS)
            at = start + demand.window_seconds
            stored = _count(url, "count_over_time(probe_success[{}s])", at, demand)
            up = _count(url, "sum_over_time(probe_success[{}s])", at, demand)
    return Scrapes(demand, stored, up, costs)


@contextmanager
def _prometheus(
    program: str, directory: Path, addresses: Sequence[str], demand: Demand, *, exporter: str
) -> Iterator[tuple[Measured, str]]:
    port, data = free_port(), directory / "prometheus"
    targets = directory / "prometheus-targets.json"
    targets.write_text(json.dumps([{"targets": list(addresses)}]))
    configuration = directory / "prometheus.yml"
    configuration.write_text(
        _CONFIGURATION.format(interval=demand.interval_seconds, module=MODULE, targets=targets, exporter=exporter)
    )
    argv = [program, f"--config.file={configuration}", f"--storage.tsdb.path={data}"]
    argv += [f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"]
    url = f"http://127.0.0.1:{port}"
    with measured(PROMETHEUS, argv, log_dir=directory) as process:
        process.wait_until(lambda: answers(f"{url}/-/ready"))
        yield process, url
    shutil.rmtree(data, ignore_errors=True)


def _count(url: str, function: str, at: float, demand: Demand) -> int:
    """Over all targets, by its HTTP API; a range of PromQL reaches back from `at`."""
    query = f"sum({function.format(demand.window_seconds)})"
    with urllib.request.urlopen(f"{url}/api/v1/query?query={quote(query)}&time={at:.3f}", timeout=60) as answer:
        found = json.load(answer)["data"]["result"]
    return int(float(found[0]["value"][1])) if found else 0
