"""`python -m chaos`: havoc among many jobs and monitors, and a line of each that says what became of them.

The exit code is 1 if any was harmed.
"""

import argparse
import sys
from collections import Counter
from itertools import islice
from typing import Any

import uvloop

from chaos.havoc import Load, Run, wreak_havoc

SHOWN = 20


def main() -> int:
    """Read the arguments, run, tell."""
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--rate", type=float, default=300, help="how many are submitted in a second")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3600, help="the most the run may take")
    parser.add_argument("--monitors", type=int, default=0, help="how many are looked at each second meanwhile")
    parser.add_argument("--alerts", type=int, default=0, help="how many monitors flap meanwhile, and alert")
    parser.add_argument("--stall-seconds", type=float, default=30, help="how long a database stands still")
    options = parser.parse_args()
    load = Load(options.jobs, options.rate, options.monitors, options.alerts)
    coming = wreak_havoc(load, seed=options.seed, seconds=options.seconds, stall_seconds=options.stall_seconds)
    return tell(uvloop.run(coming))


def tell(run: Run) -> int:
    """Print how it went; the exit code."""
    reckoning, slots, alerts = run.reckoning, run.slots, run.alerts
    for word, harmed in (("lost", reckoning.lost), ("doubled", reckoning.doubled)):
        for job_id, why in list(harmed.items())[:SHOWN]:
            print(f"{word} {job_id}: {why}")
    for word, (monitor_id, moment), why in islice(slots.faults, SHOWN):
        print(f"{word} {monitor_id} at {moment}: {why}")
    for word, (where, found_id), why in islice(alerts.faults if alerts else (), SHOWN):
        print(f"{word} {found_id} on {where}: {why}")
    print(f"blows: {_counted(run.blows)} · submissions repeated {run.repeats}")
    print(f"attempts: {_counted(reckoning.outcomes)} · jobs given up as crash loops {reckoning.poisoned}")
    if run.is_late:
        print("the time was up before all jobs had ended")
    print(reckoning.line(run.seconds))
    if slots.slots:
        print(slots.line())
    if alerts:
        print(alerts.line())
    is_clean = reckoning.is_clean and slots.is_clean and (alerts is None or alerts.is_clean)
    return 0 if is_clean and not run.is_late and not run.forged else 1


def _counted(counts: Counter[Any]) -> str:
    return " · ".join(f"{name} {count}" for name, count in sorted(counts.items()))


if __name__ == "__main__":
    sys.exit(main())
