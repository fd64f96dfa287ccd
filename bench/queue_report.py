"""The tables of the contest of queues."""

from collections.abc import Mapping, Sequence
from statistics import median

from bench.queue_disasters import QUEUED, Disasters
from bench.queue_figures import WORKERS, Figures
from bench.queue_systems import DOORBELL, WHOLE_LIFE
from bench.report import Spread, number, ratio, table


def figures_tables(found: Mapping[str, Figures]) -> list[str]:
    """All figures: medians, and in brackets the extremes."""
    return [_rates(found), _latencies(found), _costs(found)]


def _rates(found: Mapping[str, Figures]) -> str:
    headings = [
        "drain, jobs/s (min-max)",
        *(f"workers: {count}" for count in WORKERS),
        "CPU µs a job, 1 / 2 / 4",
        "grows",
    ]
    rows = []
    for name, figures in found.items():
        cpu = [median(figures.cpu_us[count]) for count in WORKERS]
        growth = f"{cpu[-1] / cpu[0]:.1f} x"
        rows.append([name, *(Spread(figures.rate[count]) for count in WORKERS), " / ".join(map(number, cpu)), growth])
    return table(headings, rows)


def _latencies(found: Mapping[str, Figures]) -> str:
    headings = ["submit → start, ms (min-max)", "idle p50", "idle p99", "500 jobs/s p50", "500 jobs/s p99"]
    return table(
        headings,
        [
            [name, *map(Spread, (one.lone_p50, one.lone_p99, one.steady_p50, one.steady_p99))]
            for name, one in found.items()
        ],
    )


def _costs(found: Mapping[str, Figures]) -> str:
    headings = [
        "a job costs (drain; at 500/s, submitting included)",
        "Valkey commands",
        "Valkey reads",
        "PostgreSQL transactions",
        "worker CPU ms per 1,000",
        "servers CPU ms per 1,000",
    ]
    return table(headings, [[name, *_costs_of(one)] for name, one in found.items()])


def _costs_of(one: Figures) -> list[str]:
    drain, steady = one.counters, one.steady_counters

    def both(first: Sequence[float], second: Sequence[float]) -> str:
        return f"{number(median(first))}; {number(median(second))}"

    return [
        both([c.commands for c in drain], [c.commands for c in steady]),
        both([c.reads for c in drain], [c.reads for c in steady]),
        both([c.transactions for c in drain], [c.transactions for c in steady]),
        both(one.cpu_us[1], one.steady_cpu_us),
        both([c.cpu_seconds * 1e6 for c in drain], [c.cpu_seconds * 1e6 for c in steady]),
    ]


def summary(found: Mapping[str, Figures]) -> str:
    """The lines of the README's table, each against the best peer of the run."""
    peers = {name: one for name, one in found.items() if name not in {DOORBELL, WHOLE_LIFE}}
    rows = [
        row for ours in (DOORBELL, WHOLE_LIFE) if ours in found and peers for row in _against(peers, found[ours], ours)
    ]
    return table(["what", "best peer, no database", "ours", "ratio"], rows)


def _against(peers: Mapping[str, Figures], ours: Figures, name: str) -> list[list[str]]:
    rows = []
    for count in WORKERS:
        best = max(peers, key=lambda peer: median(peers[peer].rate[count]))
        theirs, mine = median(peers[best].rate[count]), median(ours.rate[count])
        what = f"{name}: jobs/s, workers: {count}"
        rows.append([what, f"{best}: {number(theirs)}", number(mine), ratio(mine, theirs)])
    best = min(peers, key=lambda peer: median(peers[peer].lone_p50))
    theirs, mine = median(peers[best].lone_p50), median(ours.lone_p50)
    rows.append([f"{name}: idle latency p50, ms", f"{best}: {number(theirs)}", number(mine), ratio(theirs, mine)])
    best = min(peers, key=lambda peer: median(peers[peer].cpu_us[1]))
    theirs, mine = median(peers[best].cpu_us[1]), median(ours.cpu_us[1])
    rows.append([f"{name}: worker CPU µs a job", f"{best}: {number(theirs)}", number(mine), ratio(theirs, mine)])
    return rows


def disaster_tables(found: Disasters) -> list[str]:
    """What was left, and after how long; no table when nothing was done."""
    if not found.wiped:
        return []
    rows = [[f"kill -9, {name}", *_after_kill(runs), "-"] for name, runs in found.killed.items()]
    rows += [[f"FLUSHALL, {QUEUED:,} queued, {name}", *_after_wipe(runs)] for name, runs in found.wiped.items()]
    return [table(["disaster", "last ended after, s (min-max)", "ended", "works on"], rows)]


def _after_kill(runs: Sequence[tuple[float, int, int]]) -> list[str]:
    ended, lost = sum(run[1] for run in runs), sum(run[2] for run in runs)
    return [str(Spread([run[0] for run in runs])) if ended else "-", f"{ended} of {lost}"]


def _after_wipe(runs: Sequence[tuple[float, int, bool]]) -> list[str]:
    ended, queued = sum(run[1] for run in runs), QUEUED * len(runs)
    is_whole = ended == queued
    after = str(Spread([run[0] for run in runs])) if is_whole else f"never, {queued - ended:,} lost"
    return [after, f"{ended:,} of {queued:,}", "yes" if all(run[2] for run in runs) else "no"]
