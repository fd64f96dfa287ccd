"""The engine beside what one writes first: stock ARQ as it comes, a row kept by an ORM, a client that polls."""

import argparse
import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.drains import Drains, Queue, StockQueue, TocsinQueue, drain
from bench.harness import Servers, servers
from bench.latencies import Latencies, middle, naive_latencies, stock_lags, tocsin_latencies
from bench.processes import Measured
from bench.programs import create_key, naive_app, stock_workers, tocsin_api, tocsin_workers
from bench.report import Spread, number, publish, ratio, table
from shared.domain.job.jobs import JobKind

DEFAULT = "stock ARQ default, no database"
TUNED_ROW = "stock ARQ tuned, one ORM row a job"
OURS = "Tocsin, the whole life in PostgreSQL, no-op, slots as shipped"


@dataclass(frozen=True)
class Engine:
    """The servers, and how much is measured."""

    servers: Servers
    jobs: int
    found: dict[str, Drains] = field(default_factory=dict)

    @property
    def told(self) -> Path:
        """The file that stock workers tell into."""
        return self.servers.directory / "told.jsonl"

    def drain(self, name: str, workers: list[Measured], queue: Queue) -> None:
        """Drain a queue and add what was found to the figures of `name`."""
        drain(self.servers, workers, queue, into=self.found.setdefault(name, Drains()))


def drain_stock(engine: Engine) -> None:
    """Stock ARQ: as it comes (which is slow, hence fewer jobs), and tuned with a row a job."""
    queue = StockQueue(engine.servers, engine.told)
    with stock_workers(engine.servers, "Default", told=engine.told) as workers:
        engine.drain(DEFAULT, workers, queue.no_ops(max(engine.jobs // 20, 50)))
    with stock_workers(engine.servers, "Tuned", told=engine.told) as workers:
        engine.drain(TUNED_ROW, workers, queue.rows(max(engine.jobs // 5, 50)))


def drain_tocsin(engine: Engine) -> None:
    """Tocsin: the life of a job without work, and with a small file to collect."""
    queue = TocsinQueue(engine.servers)
    no_ops = queue.of(JobKind.NOTIFY, ['{"channel": {}}'] * engine.jobs)
    with tocsin_workers(engine.servers, is_no_op=True) as workers:
        engine.drain(OURS, workers, no_ops)
    directory = engine.servers.directory
    (directory / "app.log").write_text("started\n" * 10)
    target = {"kind": "file", "path": str(directory / "app.log"), "conditions": ["[SIZE] < 5MB"]}
    files = queue.of(JobKind.COLLECT, [json.dumps({"targets": [target]})] * (engine.jobs // 5))
    with tocsin_workers(engine.servers, environment={"TOCSIN_FILE_ROOTS": str(directory)}) as workers:
        engine.drain("Tocsin, collecting a small file a job", workers, files)


def latencies(engine: Engine) -> dict[str, Latencies]:
    """Lone jobs on idle workers."""
    on, few, many = engine.servers, min(40, engine.jobs), min(200, engine.jobs)
    found: dict[str, Latencies] = {}
    with naive_app(on) as naive:
        for settings, jobs, gap in (("Default", few, 0.5), ("Tuned", many, 0.02)):
            name = f"stock ARQ {settings.lower()}"
            with stock_workers(on, settings, told=engine.told):
                found[f"{name}, no database"] = asyncio.run(stock_lags(on, jobs=jobs, gap_seconds=gap))
                found[f"naive API, {name}, ORM row, polled each 0.5 s"] = asyncio.run(
                    naive_latencies(naive.url, on.peer_environment()["BENCH_PEER_URL"], jobs=few)
                )
    with tocsin_api(on) as api, tocsin_workers(on, is_no_op=True):
        found["Tocsin, `Prefer: wait`"] = asyncio.run(
            tocsin_latencies(api.url, on.database_url, key=create_key(on), jobs=many)
        )
    return found


def drain_table(found: Mapping[str, Drains]) -> str:
    """All drains: medians, and the extremes of the rate."""
    return table(
        ["drain", "jobs/s (min-max)", "worker CPU µs/job", "PostgreSQL + Valkey CPU µs/job"],
        [
            [name, Spread(d.rates), *(number(Spread(values).median) for values in (d.cpu_us, d.servers_cpu_us))]
            for name, d in found.items()
        ],
    )


def latency_table(found: Mapping[str, Latencies]) -> str:
    """All latencies: medians and 99th percentiles."""
    return table(
        ["lone job, ms (median / p99)", "submit → started", "submit → done", "done → client knows", "submit → knows"],
        [
            [name, *map(middle, (one.to_start, one.to_end, one.end_to_known, one.to_known))]
            for name, one in found.items()
        ],
    )


def summary(found: Mapping[str, Drains]) -> str:
    """The lines of the README's table."""

    def row(what: str, peer: str) -> list[str]:
        theirs, mine = Spread(found[peer].rates).median, Spread(found[OURS].rates).median
        cpu = ratio(Spread(found[peer].cpu_us).median, Spread(found[OURS].cpu_us).median)
        return [what, f"{peer}: {number(theirs)}/s", f"{number(mine)}/s", ratio(mine, theirs), cpu]

    rows = [row("jobs/s, each with a row", TUNED_ROW), row("jobs/s, both as they come", DEFAULT)]
    return table(["what", "peer", "ours", "ratio", "ratio by CPU"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000, help="jobs of one drain")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with servers() as on:
        engine = Engine(on, arguments.jobs)
        # It makes the table that the stock workers' rows are in.
        with naive_app(on):
            pass
        # New workers each round, in turn with the peers, so that the machine's noise meets all of them.
        for _ in range(arguments.rounds):
            drain_stock(engine)
            drain_tocsin(engine)
        lone = latencies(engine)
    publish("engine", [summary(engine.found), drain_table(engine.found), latency_table(lone)])


if __name__ == "__main__":
    main()
