"""Alerts: what rules cost, how soon people are told, and a storm; beside a plain Prometheus with an Alertmanager."""

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.alert_costs import NO_RULE, RULE_SETS, Cost, costs
from bench.alert_latency import latencies
from bench.alert_pair import is_pair_installed
from bench.alert_promql import evaluations
from bench.alert_storm import storms
from bench.harness import Servers, servers
from bench.programs import create_key
from bench.report import Spread, number, publish, table


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    samples: int
    rounds: int
    monitors: int
    fires: int
    storm: int
    series: int


def rule_costs(on: Servers, sizes: Sizes) -> list[str]:
    """What the rules add to the writing of samples."""
    found = costs(on, samples=sizes.samples, rounds=sizes.rounds, monitors=sizes.monitors)
    headings = ["rules", "worker µs a sample", "PostgreSQL µs", "added by the rules: worker µs", "PostgreSQL µs"]
    headings += ["µs a rule and sample, worker", "PostgreSQL", "evaluations per CPU-s of the worker"]
    return [table(headings, [_cost_row(name, each, found[NO_RULE]) for name, each in found.items()])]


def promql(on: Servers, sizes: Sizes) -> list[str]:
    """What they cost Prometheus."""
    found = evaluations(on, series=sizes.series)
    if not found:
        return ["Rules of Prometheus: skipped, it is not installed (Debian: prometheus)."]
    rows = [[name, number(each.cpu_us), number(each.told_us)] for name, each in found.items()]
    return [table(["Prometheus, a rule and series", "µs of CPU", "µs by its own metric"], rows)]


def soon(on: Servers, sizes: Sizes) -> list[str]:
    """From the look to the notice."""
    found = latencies(on, create_key(on), fires=sizes.fires)
    rows = [
        [name, f"{each.told} of {each.fires}", *map(number, (each.p50_ms, each.p99_ms, each.most_ms))]
        for name, each in found.items()
    ]
    return [table(["look → request that tells of it", "told", "p50 ms", "p99 ms", "most ms"], rows), _missing()]


def storm(on: Servers, sizes: Sizes) -> list[str]:
    """Everything at once."""
    found = storms(on, create_key(on), alerts=sizes.storm)
    headings = ["", "told", "all fire after s", "all told after s", "notices", "CPU-s", "PostgreSQL + Valkey"]
    rows = [
        [
            name,
            f"{each.told:,} of {each.alerts:,}",
            "-" if each.fired_seconds is None else number(each.fired_seconds),
            number(each.told_seconds),
            f"{each.notices:,}",
            number(each.costs.programs),
            number(each.costs.servers) if each.fired_seconds is not None else "-",
        ]
        for name, each in found.items()
    ]
    return [table(headings, rows), _missing()]


PARTS: Mapping[str, Callable[[Servers, Sizes], list[str]]] = {
    "rules": rule_costs,
    "promql": promql,
    "latency": soon,
    "storm": storm,
}


def _cost_row(name: str, rounds: Sequence[Cost], without: Sequence[Cost]) -> list[str]:
    rules = len(RULE_SETS[name])
    worker, servers_ = Spread([each.worker_us for each in rounds]), Spread([each.servers_us for each in rounds])
    if not rules:
        return [name, str(worker), str(servers_), *["-"] * 5]
    pairs = list(zip(rounds, without, strict=True))
    added = median(each.worker_us - none.worker_us for each, none in pairs)
    added_servers = median(each.servers_us - none.servers_us for each, none in pairs)
    figures = [number(added), number(added_servers), number(added / rules), number(added_servers / rules)]
    # A rule about states is not evaluated while none changes.
    rate = "-" if "state" in name else number(1e6 * rules / max(added, 1.0))
    return [f"`{name}`" if "(" in name else name, str(worker), str(servers_), *figures, rate]


def _missing() -> str:
    return "" if is_pair_installed() else "Prometheus or Alertmanager is missing (Debian's packages): skipped."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--samples", type=int, default=2_000, help="with each set of rules and round")
    parser.add_argument("--rounds", type=int, default=1, help="of sets of rules")
    parser.add_argument("--monitors", type=int, default=500, help="that the samples are of")
    parser.add_argument("--fires", type=int, default=100, help="alerts whose latency is measured")
    parser.add_argument("--storm", type=int, default=1_000, help="alerts at once")
    parser.add_argument("--series", type=int, default=200, help="that Prometheus judges")
    given = vars(parser.parse_args())
    parts, sizes = given.pop("parts"), Sizes(**given)
    found: list[str] = []
    with servers() as on:
        for part in parts:
            found += [text for text in PARTS[part](on, sizes) if text]
            found.append(f"Load after `{part}`: {os.getloadavg()[0]:.1f}.")
            print(found[-1], file=sys.stderr, flush=True)
    publish("alerts", found)


if __name__ == "__main__":
    main()
