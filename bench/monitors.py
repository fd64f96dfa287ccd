"""Monitors, everything on: scheduled checks beside Prometheus, overviews, imports, pings, and the API meanwhile."""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from bench.api_latency import latencies
from bench.blackbox import PACKAGE
from bench.block_sizes import sizes as block_sizes
from bench.check_figures import against_peer, checks_table, highest
from bench.contest import contest_table
from bench.harness import Servers, servers
from bench.imports import imports
from bench.load import has_wrk
from bench.overviews import overviews
from bench.pings import pings
from bench.programs import HttpProgram, create_key, tocsin_api
from bench.report import number, publish, table
from bench.scheduled import Demand, Level, run_level
from bench.scrapes import PROMETHEUS, Scrapes, run_scrapes
from bench.targets import http_targets

INTERVAL_SECONDS = 5
PING_SECONDS = 2


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    rates: Sequence[int]
    workers: Sequence[int]
    warm_up_seconds: int
    window_seconds: int
    rounds: int
    monitors: int
    series: int
    times: int
    polled_rate: int

    def demands(self) -> list[Demand]:
        """What is due, the least first."""
        return [
            Demand(rate, INTERVAL_SECONDS, self.warm_up_seconds, self.window_seconds) for rate in sorted(self.rates)
        ]


def checks(on: Servers, sizes: Sizes) -> list[str]:
    """Each rate by each number of workers, and by Prometheus, in turn."""
    levels: list[Level] = []
    scrapes: list[Scrapes] = []
    with http_targets(on.directory) as (name, port):
        for demand in sizes.demands():
            for _ in range(sizes.rounds):
                for workers in sizes.workers:
                    levels.append(run_level(on, port, demand, workers=workers))
                    _tell(levels[-1])
                scraped = run_scrapes(on, port, demand)
                scrapes += [] if scraped is None else [scraped]
                _tell(scraped)
    summary = table(["what", "peer", "ours", "ratio"], [against_peer(levels, scrapes)])
    note = "" if scrapes else f"\n\n{PROMETHEUS} or {PACKAGE} is missing (Debian's packages): skipped."
    return [summary, highest(levels, scrapes), checks_table(levels, scrapes) + note, f"Targets: {name}."]


def bytes_a_sample(on: Servers, sizes: Sizes) -> list[str]:
    """A day at rest."""
    found = block_sizes(on, series=sizes.series)
    rows = [
        [name, number(size.as_rows), number(size.packed), number(size.prometheus) if size.prometheus else "-"]
        for name, size in found.items()
    ]
    return [table(["bytes a sample, a day of one a minute", "hot rows", "packed", "block of Prometheus"], rows)]


def reads(on: Servers, api: HttpProgram, key: str, sizes: Sizes) -> list[str]:
    """What is asked of many monitors."""
    found = overviews(on, api, key, monitors=sizes.monitors, times=sizes.times)
    rows = [
        [name, each.taken, number(each.program_cpu_ms), number(each.servers_cpu_ms)] for name, each in found.items()
    ]
    headings = [f"{sizes.monitors:,} monitors", "ms (min-max)", "CPU ms of who is asked", "of PostgreSQL and Valkey"]
    return [table(headings, rows)]


def writes(on: Servers, api: HttpProgram, key: str, sizes: Sizes) -> list[str]:
    """What makes many monitors."""
    found = imports(on, api, key, monitors=sizes.monitors)
    rows = [[name, *map(number, (i.seconds, i.client_cpu, i.api_cpu, i.servers_cpu))] for name, i in found.items()]
    return [table([f"{sizes.monitors:,} monitors", "s", "CPU-s of the client", "of the API", "of the servers"], rows)]


def doors(on: Servers, api: HttpProgram, key: str, sizes: Sizes) -> list[str]:
    """Pings."""
    if not has_wrk():
        return ["Pings: skipped, there is no wrk (Debian: wrk)."]
    found = pings(on, api, key, seconds=PING_SECONDS, rounds=sizes.times)
    return [contest_table("ping", {"`/ping/{uuid}`, 100 clients, 1,000 heartbeats": found})]


def polls(on: Servers, api: HttpProgram, key: str, sizes: Sizes) -> list[str]:
    """What else goes on while polls are answered."""
    demand = Demand(sizes.polled_rate, INTERVAL_SECONDS, sizes.warm_up_seconds, sizes.window_seconds)
    with http_targets(on.directory) as (_, port):
        found = latencies(on, api, key, port=port, demand=demand)
    rows = [[name, *map(number, (each.p50_ms, each.p99_ms, each.most_ms))] for name, each in found.items()]
    return [table(["`GET /jobs/{id}`, 100 a second, beside", "p50 ms", "p99 ms", "most ms"], rows)]


OVER_HTTP = {"overview": reads, "imports": writes, "pings": doors, "polls": polls}
PARTS = ("checks", "sizes", *OVER_HTTP)


def measure(on: Servers, sizes: Sizes, parts: Sequence[str]) -> list[str]:
    """The parts that are asked for."""
    found = checks(on, sizes) if "checks" in parts else []
    found += bytes_a_sample(on, sizes) if "sizes" in parts else []
    asked = [part for part in OVER_HTTP if part in parts]
    if asked:
        key = create_key(on)
        with tocsin_api(on) as api:
            for part in asked:
                found += OVER_HTTP[part](on, api, key, sizes)
                _tell(part)
    return found


def _tell(found: object) -> None:
    print(f"load {os.getloadavg()[0]:.1f}: {found}", file=sys.stderr, flush=True)


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--rates", type=_numbers, default=[200, 500], help="checks a second that are due: 200,500")
    parser.add_argument("--workers", type=_numbers, default=[1])
    parser.add_argument("--warm-up", type=int, default=10, help="seconds")
    parser.add_argument("--window", type=int, default=10, help="seconds, a multiple of 5")
    parser.add_argument("--rounds", type=int, default=1, help="of checks")
    parser.add_argument("--monitors", type=int, default=2_000, help="for overviews and imports")
    parser.add_argument("--series", type=int, default=50, help="for bytes a sample")
    parser.add_argument("--times", type=int, default=3, help="how often what is short is asked")
    parser.add_argument("--polled-rate", type=int, default=200, help="checks a second while a job is polled")
    given = vars(parser.parse_args())
    if given["window"] % INTERVAL_SECONDS:
        parser.error(f"--window has to be a multiple of {INTERVAL_SECONDS}")
    parts = given.pop("parts")
    sizes = Sizes(warm_up_seconds=given.pop("warm_up"), window_seconds=given.pop("window"), **given)
    with servers() as on:
        found = measure(on, sizes, parts)
    publish("monitors", found)


if __name__ == "__main__":
    main()
