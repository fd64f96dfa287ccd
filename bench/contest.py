"""A contest: the same load on several programs in turn, round after round, so that noise meets them alike."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bench.harness import Servers
from bench.load import Load
from bench.processes import Measured
from bench.report import Spread, table


@dataclass(frozen=True)
class Contender:
    """A program under load. `units` is how many of what is counted one request carries."""

    name: str
    process: Measured
    run: Callable[[], Load]
    units: int = 1


@dataclass
class Figures:
    """What the rounds found, one value a round. CPU is in microseconds a unit."""

    rates: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    servers_cpu_us: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Units per second, the median."""
        return Spread(self.rates).median

    @property
    def cpu(self) -> float:
        """The program's own CPU microseconds a unit, the median."""
        return Spread(self.cpu_us).median


def contest(contenders: Sequence[Contender], servers: Servers, *, rounds: int) -> dict[str, Figures]:
    """Run the rounds; each contender is warmed up by a run that does not count."""
    for contender in contenders:
        contender.run()
    figures = {contender.name: Figures() for contender in contenders}
    for _ in range(rounds):
        for contender in contenders:
            _measure(contender, servers, figures[contender.name])
    return figures


def _measure(contender: Contender, servers: Servers, figures: Figures) -> None:
    before, servers_before = contender.process.cpu_seconds, servers.cpu_seconds
    load = contender.run()
    units = load.requests * contender.units
    figures.rates.append(load.rate * contender.units)
    figures.p50_ms.append(load.p50_ms)
    figures.p99_ms.append(load.p99_ms)
    figures.cpu_us.append((contender.process.cpu_seconds - before) / units * 1e6)
    figures.servers_cpu_us.append((servers.cpu_seconds - servers_before) / units * 1e6)


def contest_table(unit: str, figures: Mapping[str, Figures]) -> str:
    """All figures of a contest: medians, and the extremes of the rate."""
    headings = ["", f"{unit}/s (min-max)", "p50 ms", "p99 ms", f"CPU µs/{unit}", f"PostgreSQL + Valkey CPU µs/{unit}"]
    return table(
        headings,
        [
            [
                name,
                Spread(f.rates),
                *(f"{Spread(v).median:.1f}" for v in (f.p50_ms, f.p99_ms, f.cpu_us, f.servers_cpu_us)),
            ]
            for name, f in figures.items()
        ],
    )
