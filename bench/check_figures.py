"""Tables of scheduled checks: ours by the number of workers, Prometheus' beside them, medians over the rounds."""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from statistics import median

from bench.report import number, ratio, table
from bench.scheduled import Costs, Demand, Level
from bench.scrapes import Scrapes

PEER = "Prometheus + blackbox_exporter"
_HEADINGS = (
    *("", "due/s", "stored/s", "collected", "on time", "missed", "lag ms, p50 / p99 / most", "look ms, p50 / p99"),
    *("CPU-s per 1,000 checks", "PostgreSQL + Valkey", "checks per CPU-s, all", "machine in use", "sustained"),
)


def checks_table(levels: Sequence[Level], scrapes: Sequence[Scrapes]) -> str:
    """A row for each rate and number of workers, and for Prometheus at each rate."""
    rows = []
    for demand in dict.fromkeys(level.demand for level in levels):
        for workers in dict.fromkeys(level.workers for level in levels):
            rounds = [level for level in levels if (level.demand, level.workers) == (demand, workers)]
            rows += [_ours(demand, workers, rounds)] if rounds else []
        theirs = [scraped for scraped in scrapes if scraped.demand == demand]
        rows += [_theirs(demand, theirs)] if theirs else []
    return table(_HEADINGS, rows)


def highest(levels: Sequence[Level], scrapes: Sequence[Scrapes]) -> str:
    """The highest rate that was sustained in most rounds, by workers and by Prometheus, and the ratio of CPU there."""
    rows = []
    for workers in dict.fromkeys(level.workers for level in levels):
        rate = _best([level for level in levels if level.workers == workers])
        rows.append([_workers(workers), f"{rate:,}/s" if rate else "none of these rates"])
    if scrapes:
        rate = _best(scrapes)
        rows.append([PEER, f"{rate:,}/s" if rate else "none of these rates"])
    return table(["", "highest rate sustained"], rows)


def per_cpu_second(rounds: Sequence[Level | Scrapes], *, with_servers: bool) -> float:
    """Checks per CPU-second, the median of the rounds; nothing stored is none."""
    return median(_stored(each) / max(each.costs.programs + each.costs.servers * with_servers, 0.01) for each in rounds)


def at_highest(levels: Sequence[Level], scrapes: Sequence[Scrapes]) -> tuple[Sequence[Level], Sequence[Scrapes]] | None:
    """The rounds of one worker and of Prometheus at the highest rate that both sustained."""
    ours = [level for level in levels if level.workers == min(each.workers for each in levels)]
    rate = min(_best(ours), _best(scrapes))
    if not rate:
        return None
    return [each for each in ours if each.demand.rate == rate], [each for each in scrapes if each.demand.rate == rate]


def against_peer(levels: Sequence[Level], scrapes: Sequence[Scrapes]) -> list[object]:
    """The line of the summary: checks per CPU-second, whole systems."""
    found = at_highest(levels, scrapes)
    if found is None:
        return ["checks per CPU-s", PEER, "no rate that both sustained", "-"]
    ours, theirs = found
    whole, peer = per_cpu_second(ours, with_servers=True), per_cpu_second(theirs, with_servers=False)
    what = f"checks per CPU-s at {ours[0].demand.rate:,}/s, servers and all"
    return [what, f"{PEER}: {number(peer)}", number(whole), ratio(whole, peer)]


def _best(rounds: Sequence[Level] | Sequence[Scrapes]) -> int:
    sustained = Counter(each.demand.rate for each in rounds if each.is_sustained)
    made = Counter(each.demand.rate for each in rounds)
    return max((rate for rate, count in sustained.items() if 2 * count > made[rate]), default=0)


def _ours(demand: Demand, workers: int, rounds: Sequence[Level]) -> list[object]:
    def middle(figure: Callable[[Level], float]) -> str:
        return number(median(figure(level) for level in rounds))

    lags = (middle(lambda level: level.slots.lag_p50_ms), middle(lambda level: level.slots.lag_p99_ms))
    looks = (middle(lambda level: level.slots.duration_p50_ms), middle(lambda level: level.slots.duration_p99_ms))
    missed: Counter[str] = sum((Counter(level.slots.missed) for level in rounds), Counter())
    return [
        _workers(workers),
        f"{demand.rate:,}",
        middle(lambda level: level.slots.stored / demand.window_seconds),
        _share(median(level.slots.stored / demand.checks for level in rounds)),
        _share(median(level.slots.on_time / max(level.slots.stored, 1) for level in rounds)),
        ", ".join(f"{slots:,} {reason}" for reason, slots in sorted(missed.items())) or "none",
        " / ".join((*lags, middle(lambda level: level.slots.lag_most_ms))),
        " / ".join(looks),
        *_costs(rounds),
        _sustained(rounds),
    ]


def _theirs(demand: Demand, rounds: Sequence[Scrapes]) -> list[object]:
    stored = median(each.stored for each in rounds)
    shares = [number(stored / demand.window_seconds), _share(stored / demand.checks)]
    return [
        PEER,
        f"{demand.rate:,}",
        *shares,
        "not told",
        "not told",
        "not told",
        "-",
        *_costs(rounds),
        _sustained(rounds),
    ]


def _costs(rounds: Sequence[Level | Scrapes]) -> list[str]:
    def per_thousand(figure: Callable[[Costs], float]) -> str:
        return f"{median(figure(each.costs) / max(_stored(each), 1) * 1000 for each in rounds):.3f}"

    is_ours = isinstance(rounds[0], Level)
    cores = os.cpu_count() or 1
    return [
        per_thousand(lambda costs: costs.programs),
        per_thousand(lambda costs: costs.servers) if is_ours else "-",
        number(per_cpu_second(rounds, with_servers=is_ours)),
        _share(median(each.costs.machine / each.demand.window_seconds / cores for each in rounds)),
    ]


def _stored(found: Level | Scrapes) -> int:
    return found.slots.stored if isinstance(found, Level) else found.stored


def _sustained(rounds: Sequence[Level] | Sequence[Scrapes]) -> str:
    return f"{sum(each.is_sustained for each in rounds)} of {len(rounds)}"


def _workers(count: int) -> str:
    return f"Tocsin, {count} worker{'s' if count > 1 else ''}"


def _share(share: float) -> str:
    return f"{share:.2%}"
