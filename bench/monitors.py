"""Monitors, everything on: scheduled checks beside Prometheus, overviews, imports, pings, and the API meanwhile."""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from bench.blackbox import PACKAGE
from bench.check_figures import against_peer, checks_table, highest
from bench.harness import Servers, servers
from bench.report import publish, table
from bench.scheduled import Demand, Level, run_level
from bench.scrapes import PROMETHEUS, Scrapes, run_scrapes
from bench.targets import http_targets

INTERVAL_SECONDS = 5


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    rates: Sequence[int]
    workers: Sequence[int]
    warm_up_seconds: int
    window_seconds: int
    rounds: int

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


def _tell(found: object) -> None:
    print(f"load {os.getloadavg()[0]:.1f}: {found}", file=sys.stderr, flush=True)


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rates", type=_numbers, default=[200, 500], help="checks a second that are due")
    parser.add_argument("--workers", type=_numbers, default=[1])
    parser.add_argument("--warm-up", type=int, default=10, help="seconds")
    parser.add_argument("--window", type=int, default=15, help="seconds, a multiple of 5")
    parser.add_argument("--rounds", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.window % INTERVAL_SECONDS:
        parser.error(f"--window has to be a multiple of {INTERVAL_SECONDS}")
    sizes = Sizes(arguments.rates, arguments.workers, arguments.warm_up, arguments.window, arguments.rounds)
    with servers() as on:
        parts = checks(on, sizes)
    publish("monitors", parts)


if __name__ == "__main__":
    main()
