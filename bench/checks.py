"""HTTP checks per CPU-second: the whole worker, its probe alone, bare pycurl, aiohttp and blackbox_exporter."""

import argparse
import json
import subprocess
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from urllib.parse import quote

from bench.blackbox import MODULE, PACKAGE, blackbox
from bench.drains import Drains, TocsinQueue, drain
from bench.harness import Servers, servers
from bench.load import has_wrk, run_wrk, write_lines
from bench.probes import CONCURRENCY, CONDITIONS, ENGINES
from bench.processes import Measured
from bench.programs import tocsin_workers
from bench.report import Spread, number, publish, table
from bench.rounds import Rounds
from bench.targets import http_targets, urls
from shared.domain.job.jobs import JobKind
from shared.domain.monitor.rounds import MAX_VISITS

TARGETS_A_JOB = 100
WORKER, PROBE = "Tocsin's whole worker, 100 targets a job", "Tocsin's probe alone"
ROUNDS = "Tocsin's whole worker, rounds of 100 monitors"


@dataclass
class Checks:
    """One value a round: checks per second, and CPU microseconds a check of the engine and of the servers."""

    rates: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    servers_cpu_us: list[float] = field(default_factory=list)

    @property
    def per_cpu_second(self) -> float:
        """Checks per CPU-second of the engine, the median."""
        return 1e6 / Spread(self.cpu_us).median


@dataclass(frozen=True)
class Bench:
    """The servers, the targets, and how much is measured."""

    servers: Servers
    port: int
    checks: int
    rounds: int


def run_probe(name: str, port: int, checks: int, found: Checks) -> None:
    """Run a bare probe in a process of its own."""
    argv = [sys.executable, "-m", "bench.probes", name, str(port), str(checks)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=True)
    told = json.loads(done.stdout)
    if told["up"] != checks:
        raise RuntimeError(f"{name}: {told['up']} of {checks} checks were up")
    found.rates.append(checks / told["wall"])
    found.cpu_us.append(told["cpu"] / checks * 1e6)


def probes(bench: Bench) -> dict[str, Checks]:
    """The bare probes in turn, round after round."""
    found = {name: Checks() for name in ENGINES}
    for _ in range(bench.rounds):
        for name, checks in found.items():
            run_probe(name, bench.port, bench.checks, checks)
    return found


def blackbox_checks(bench: Bench) -> Checks | None:
    """Have blackbox_exporter probe, as Prometheus would."""
    with blackbox(bench.servers) as running:
        if running is None or not has_wrk():
            return None
        process, url = running.process, running.url
        paths = [f"/probe?module={MODULE}&target={quote(target, safe='')}" for target in urls(bench.port, bench.checks)]
        with urllib.request.urlopen(url + paths[0], timeout=10) as answer:
            if b"probe_success 1" not in answer.read():
                raise RuntimeError("blackbox_exporter does not find the target up")
        lines = write_lines(bench.servers.directory / "probes.txt", paths)
        found = Checks()
        for _ in range(bench.rounds):
            before = process.cpu_seconds
            load = run_wrk(url, "get.lua", lines, "-", connections=CONCURRENCY, seconds=3)
            found.rates.append(load.rate)
            found.cpu_us.append((process.cpu_seconds - before) / load.requests * 1e6)
        return found


def worker_checks(bench: Bench) -> dict[str, Checks]:
    """The whole worker: claim, probe, judge, record samples and job; many targets a job, and one."""
    queue = TocsinQueue(bench.servers)
    found: dict[str, Checks] = {}
    with tocsin_workers(bench.servers, environment={"TOCSIN_EGRESS_LOOPBACK": "true"}) as workers:
        for name, size, checks in (
            (WORKER, TARGETS_A_JOB, bench.checks),
            ("Tocsin's whole worker, 1 target a job", 1, bench.checks // 4),
        ):
            specs = _specs(urls(bench.port, checks), size)
            drains = Drains()
            for _ in range(bench.rounds):
                drain(bench.servers, workers, queue.of(JobKind.COLLECT, specs), into=drains)
            found[name] = _per_check(drains, size)
        found[ROUNDS] = round_checks(bench, workers)
    return found


def round_checks(bench: Bench, workers: Sequence[Measured]) -> Checks:
    """The same with monitors: slots, states, timelines and what is told live as well."""
    targets = [{"kind": "http", "url": url, "conditions": list(CONDITIONS)} for url in urls(bench.port, bench.checks)]
    rounds = Rounds(bench.servers, targets)
    drains = Drains()
    for _ in range(bench.rounds):
        drain(bench.servers, workers, rounds.queue(), into=drains)
    rounds.close()
    return _per_check(drains, MAX_VISITS)


def _specs(addresses: list[str], size: int) -> list[str]:
    targets = [{"kind": "http", "url": url, "conditions": CONDITIONS} for url in addresses]
    return [json.dumps({"targets": targets[first : first + size]}) for first in range(0, len(targets), size)]


def _per_check(drains: Drains, size: int) -> Checks:
    return Checks(
        rates=[rate * size for rate in drains.rates],
        cpu_us=[cpu / size for cpu in drains.cpu_us],
        servers_cpu_us=[cpu / size for cpu in drains.servers_cpu_us],
    )


def checks_table(found: Mapping[str, Checks]) -> str:
    """All figures: medians, and the extremes of CPU."""
    bare = found["bare pycurl"].per_cpu_second
    headings = ["engine", "CPU µs/check (min-max)", "checks per CPU-s", "of bare pycurl", "checks/s", "servers' CPU µs"]
    return table(
        headings,
        [
            [
                name,
                Spread(one.cpu_us),
                number(one.per_cpu_second),
                f"{one.per_cpu_second / bare:.0%}",
                number(Spread(one.rates).median),
                number(Spread(one.servers_cpu_us).median) if one.servers_cpu_us else "-",
            ]
            for name, one in found.items()
        ],
    )


def summary(found: Mapping[str, Checks]) -> str:
    """The lines of the README's table."""
    worker, probe, bare = found[WORKER], found[PROBE], found["bare pycurl"]
    rows = []
    for name in sorted({PACKAGE, "aiohttp", "bare pycurl"} & set(found)):
        figures = [found[name].per_cpu_second, worker.per_cpu_second]
        shown = [*map(number, figures), f"{figures[1] / figures[0]:.2f} x", "≥ 10,000"]
        rows.append([f"checks per CPU-s, whole worker, against {name}", *shown])
    probe_seconds, bare_seconds = (1e4 / one.per_cpu_second for one in (probe, bare))
    ours = [f"{bare_seconds:.2f}", f"{probe_seconds:.2f}", f"{probe_seconds / bare_seconds:.1f} x", "≤ 0.45"]
    rows.append(["CPU-s per 10,000 checks, probe alone, against bare pycurl", *ours])
    return table(["what", "peer", "ours", "ratio", "target"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checks", type=int, default=10_000, help="checks of one run")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with ExitStack() as stack:
        on = stack.enter_context(servers())
        name, port = stack.enter_context(http_targets(on.directory))
        bench = Bench(on, port, arguments.checks, arguments.rounds)
        found = probes(bench)
        exporter = blackbox_checks(bench)
        found |= {PACKAGE: exporter} if exporter else {}
        found |= worker_checks(bench)
    note = "" if exporter else f"\n\nblackbox_exporter: skipped, it or wrk is missing (Debian: {PACKAGE}, wrk)."
    publish("checks", [summary(found), checks_table(found) + note, f"Targets: {name} on ten loopback addresses."])


if __name__ == "__main__":
    main()
