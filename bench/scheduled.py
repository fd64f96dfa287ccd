"""Scheduled HTTP checks at a rate that is due: how many are stored, how late they begin, and what they cost."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from bench.harness import Servers
from bench.planting import clear, plant
from bench.probes import CONDITIONS
from bench.processes import TICK_SECONDS, Measured
from bench.programs import tocsin_workers
from bench.slots import Slots, settled_slots
from bench.targets import urls
from shared.clock import utc_now

LEAD = timedelta(seconds=2)
"""From planting to the first slot: nothing is overdue when scheduling begins."""
SUSTAINED = 0.999
MOST_LAG_MS = 250.0
"""The share of slots that is collected, and the 99th percentile of their lag, at a rate that is sustained."""


@dataclass(frozen=True)
class Demand:
    """What is due: `rate` checks a second, each target every `interval_seconds`, watched for `window_seconds`."""

    rate: int
    interval_seconds: int
    warm_up_seconds: int
    window_seconds: int

    @property
    def targets(self) -> int:
        """How many different targets that takes."""
        return self.rate * self.interval_seconds

    @property
    def checks(self) -> int:
        """How many slots the window has: it is a multiple of the interval."""
        return self.rate * self.window_seconds


@dataclass(frozen=True)
class Costs:
    """CPU seconds within a window: of the programs that are measured, of both servers, and of all of the machine."""

    programs: float
    servers: float
    machine: float

    @classmethod
    def so_far(cls, servers: Servers, programs: Sequence[Measured]) -> "Costs":
        """Since everything started."""
        return cls(sum(each.cpu_seconds for each in programs), servers.cpu_seconds, _machine_seconds())

    def since(self, before: "Costs") -> "Costs":
        """What was added."""
        return Costs(self.programs - before.programs, self.servers - before.servers, self.machine - before.machine)


@dataclass(frozen=True)
class Level:
    """What a demand came to with so many workers."""

    demand: Demand
    workers: int
    slots: Slots
    costs: Costs

    @property
    def is_sustained(self) -> bool:
        """Whether nearly all slots were collected, and nearly all of them at their moment."""
        return self.slots.stored >= SUSTAINED * self.demand.checks and self.slots.lag_p99_ms <= MOST_LAG_MS


def run_level(servers: Servers, port: int, demand: Demand, *, workers: int) -> Level:
    """Start workers as shipped, plant the monitors, let them warm up, and watch a window."""
    clear(servers)
    targets: list[dict[str, object]] = [
        {"kind": "http", "url": url, "conditions": list(CONDITIONS)} for url in urls(port, demand.targets)
    ]
    interval, window = timedelta(seconds=demand.interval_seconds), timedelta(seconds=demand.window_seconds)
    with tocsin_workers(servers, count=workers, environment={"TOCSIN_EGRESS_LOOPBACK": "true"}) as running:
        plant(servers, targets, interval=interval, first=utc_now() + LEAD)
        time.sleep(demand.warm_up_seconds)
        start = utc_now()
        costs = watch(servers, running, demand.window_seconds)
        slots = asyncio.run(settled_slots(servers.database_url, start, start + window, expected=demand.checks))
    return Level(demand, workers, slots, costs)


def watch(servers: Servers, programs: Sequence[Measured], seconds: float) -> Costs:
    """Let programs work for so long; what that costs."""
    before = Costs.so_far(servers, programs)
    time.sleep(seconds)
    return Costs.so_far(servers, programs).since(before)


def _machine_seconds() -> float:
    """User and system time of all processes (proc_stat(5)): what others do at the same time is in it."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    user, nice, system, _, _, irq, softirq, *_ = (int(field) for field in fields)
    return (user + nice + system + irq + softirq) * TICK_SECONDS
