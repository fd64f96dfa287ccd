"""What is measured of a queue: drains by one, two and four workers, lone jobs, and a steady stream."""

from collections import defaultdict
from dataclasses import dataclass, field
from statistics import median, quantiles

from bench.harness import Servers
from bench.queue_runs import Running, running
from bench.queue_systems import System
from bench.server_counters import Counters, wipe_redis

WORKERS = (1, 2, 4)


@dataclass(frozen=True)
class Sizes:
    """How much is measured: jobs of a drain, lone jobs, and the steady stream's jobs a second and seconds."""

    jobs: int
    lone: int = 200
    rate: int = 500
    seconds: int = 4

    @property
    def steady(self) -> int:
        """The jobs of a steady stream."""
        return self.rate * self.seconds


@dataclass
class Figures:
    """One value a round. Times are milliseconds, CPU microseconds a job; counters are a job's, with one worker."""

    rate: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    cpu_us: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    counters: list[Counters] = field(default_factory=list)
    lone_p50: list[float] = field(default_factory=list)
    lone_p99: list[float] = field(default_factory=list)
    steady_p50: list[float] = field(default_factory=list)
    steady_p99: list[float] = field(default_factory=list)
    steady_cpu_us: list[float] = field(default_factory=list)
    steady_counters: list[Counters] = field(default_factory=list)


def measure(system: System, servers: Servers, sizes: Sizes, figures: Figures) -> None:
    """One round of a system, on a Valkey that knows nothing."""
    for count in WORKERS:
        wipe_redis(servers)
        with running(system, servers, workers=count) as run:
            _drain(run, sizes.jobs, figures)
            if count == 1:
                _lone(run, sizes, figures)
                _steady(run, sizes, figures)


def _drain(run: Running, jobs: int, figures: Figures) -> None:
    with run.filled(jobs):
        cpu, before = run.cpu_seconds, Counters.read(run.servers)
    began, ended = run.wait(jobs)
    count = len(run.workers)
    figures.rate[count].append(jobs / (ended - began))
    figures.cpu_us[count].append((run.cpu_seconds - cpu) / jobs * 1e6)
    if count == 1:
        figures.counters.append(Counters.read(run.servers).per_job_since(before, jobs))


def _lone(run: Running, sizes: Sizes, figures: Figures) -> None:
    run.clear()
    run.produce("lone", sizes.lone)
    run.wait(sizes.lone)
    p50, p99 = _percentiles(run)
    figures.lone_p50.append(p50)
    figures.lone_p99.append(p99)


def _steady(run: Running, sizes: Sizes, figures: Figures) -> None:
    run.clear()
    cpu, before = run.cpu_seconds, Counters.read(run.servers)
    run.produce("steady", sizes.steady, sizes.rate)
    run.wait(sizes.steady)
    p50, p99 = _percentiles(run)
    figures.steady_p50.append(p50)
    figures.steady_p99.append(p99)
    figures.steady_cpu_us.append((run.cpu_seconds - cpu) / sizes.steady * 1e6)
    figures.steady_counters.append(Counters.read(run.servers).per_job_since(before, sizes.steady))


def _percentiles(run: Running) -> tuple[float, float]:
    lags = run.told.lags_ms()
    return median(lags), quantiles(lags, n=100)[-1]
