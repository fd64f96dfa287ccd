"""The engine beside the queues of others: latency, throughput, what a job costs, and what is left after a crash.

`--quick` is one look at everything, in some minutes; without it, medians of three rounds.
"""

import argparse
import sys

from bench.harness import servers
from bench.queue_disasters import Disasters, kills, wipe_once
from bench.queue_figures import Figures, Sizes, measure
from bench.queue_report import disaster_tables, figures_tables, summary
from bench.queue_systems import System, systems
from bench.report import publish
from bench.server_counters import wipe_redis


def present(wanted: str) -> list[System]:
    """The systems whose names hold `wanted` and whose environment is there; what is missing is said."""
    found = []
    for system in systems():
        if not system.python.exists():
            print(f"{system.name}: left out, {system.python} is missing; `make peers` sets it up")
        elif wanted.lower() in system.name.lower():
            found.append(system)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=5000, help="jobs of one drain")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one round of 1,000 jobs")
    parser.add_argument("--only", default="", help="only systems whose name holds this")
    parser.add_argument("--disasters", type=int, default=1, help="how often to kill and to wipe")
    arguments = parser.parse_args()
    rounds = 1 if arguments.quick else arguments.rounds
    sizes = Sizes(jobs=1000, lone=100, seconds=2) if arguments.quick else Sizes(jobs=arguments.jobs)
    contenders = present(arguments.only)
    figures = {system.name: Figures() for system in contenders}
    disasters = Disasters()
    with servers() as on:
        # In turn, so that the machine's noise meets all of them.
        for number in range(rounds):
            for system in contenders:
                print(f"round {number + 1}: {system.name}", file=sys.stderr)
                measure(system, on, sizes, figures[system.name])
        for number in range(arguments.disasters):
            print(f"disasters {number + 1}", file=sys.stderr)
            wipe_redis(on)
            kills(contenders, on, disasters)
            for system in contenders:
                wipe_once(system, on, disasters)
    publish("queues", [summary(figures), *figures_tables(figures), *disaster_tables(disasters)])


if __name__ == "__main__":
    main()
