"""The HTTP front: submissions, batches and status polls against a naive FastAPI application and sync Flask."""

import argparse
import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import md5
from uuid import UUID

from uuid_utils.compat import uuid7

from bench.contest import Contender, Figures, contest, contest_table
from bench.harness import Servers, answers, execute, free_port, in_context, servers, tocsin_api
from bench.load import has_wrk, run_wrk, write_lines
from bench.processes import Measured, measured
from bench.report import number, publish, ratio, table
from shared.clock import utc_now
from shared.domain.access import Scope
from shared.domain.jobs import JobKind, NewJob
from shared.services.access import Access
from shared.services.job_submission import Submission
from shared.wiring import ProcessContext

JOBS = 10_000
BATCH = 1000
BATCH_CONNECTIONS = 4
TARGET = {
    "kind": "http",
    "url": "https://shop.example/health",
    "timeout": "5s",
    "labels": {"team": "web", "tier": "gold"},
    "conditions": ["[STATUS] == 200", "[RESPONSE_TIME] < 300", "[BODY].status == UP"],
}
JOB = {"kind": "collect", "targets": [TARGET]}


@dataclass(frozen=True)
class Bench:
    """The three programs, what they are asked, and how long."""

    servers: Servers
    tocsin: tuple[Measured, str]
    naive: tuple[Measured, str]
    flask: tuple[Measured, str]
    key: str
    job_ids: list[UUID]
    naive_ids: list[UUID]
    seconds: float
    rounds: int

    def lines(self, name: str, lines: list[str]) -> str:
        """A file of what a script sends."""
        return write_lines(self.servers.directory / name, lines)

    def contender(self, name: str, target: tuple[Measured, str], *script: str, connections: int = 100) -> Contender:
        """A contender of one script, its arguments being `script`, on `target`."""
        process, url = target
        run = partial(run_wrk, url, *script, connections=connections, seconds=self.seconds)
        return Contender(name, process, run, units=1 if connections == 100 else BATCH)

    def contest(self, *contenders: Contender) -> dict[str, Figures]:
        """Run a contest with the program's bounds."""
        return contest(contenders, self.servers, rounds=self.rounds)


def submit(bench: Bench) -> dict[str, Figures]:
    """One collect job a request, 100 clients, durable."""
    body = bench.lines("job.json", [json.dumps(JOB)])
    naive, tocsin = bench.naive, bench.tocsin
    return bench.contest(
        bench.contender("naive", (naive[0], f"{naive[1]}/jobs"), "post.lua", body, "-"),
        bench.contender("Tocsin", (tocsin[0], f"{tocsin[1]}/api/v1/jobs"), "post.lua", body, bench.key),
    )


def batches(bench: Bench) -> dict[str, Figures]:
    """A thousand collect jobs a request."""
    body = bench.lines("batch.json", [json.dumps({"jobs": [JOB] * BATCH})])
    naive, tocsin = (bench.naive[0], f"{bench.naive[1]}/jobs-batch"), (bench.tocsin[0], f"{bench.tocsin[1]}/api/v1/jobs:batch")
    return bench.contest(
        bench.contender("naive", naive, "post.lua", body, "-", connections=BATCH_CONNECTIONS),
        bench.contender("Tocsin", tocsin, "post.lua", body, bench.key, connections=BATCH_CONNECTIONS),
    )


def polls(bench: Bench) -> dict[str, Figures]:
    """How one of ten thousand jobs stands, at random."""
    ours = bench.lines("ours.txt", [f"/api/v1/jobs/{job_id}" for job_id in bench.job_ids])
    plain = bench.lines("flask.txt", [f"/jobs/{job_id}" for job_id in bench.job_ids])
    naive = bench.lines("naive.txt", [f"/jobs/{job_id}" for job_id in bench.naive_ids])
    return bench.contest(
        bench.contender("naive", bench.naive, "get.lua", naive, "-"),
        bench.contender("Flask", bench.flask, "get.lua", plain, "-"),
        bench.contender("Tocsin", bench.tocsin, "get.lua", ours, bench.key),
    )


def not_modified(bench: Bench) -> dict[str, Figures]:
    """The same with the entity tag of the latest version: 304."""
    ours = bench.lines("ours-304.txt", [f'/api/v1/jobs/{job_id} "{job_id}-1"' for job_id in bench.job_ids])
    plain = bench.lines("flask-304.txt", [f'/jobs/{job_id} "{_flask_tag(job_id)}"' for job_id in bench.job_ids])
    return bench.contest(
        bench.contender("Flask", bench.flask, "get.lua", plain, "-"),
        bench.contender("Tocsin", bench.tocsin, "get.lua", ours, bench.key),
    )


def _flask_tag(job_id: UUID) -> str:
    return md5(f"{job_id}-1".encode(), usedforsecurity=False).hexdigest()


def seed(on: Servers) -> tuple[str, list[UUID]]:
    """Make a key that may submit and ten thousand jobs."""
    jobs = [
        NewJob(uuid7(), JobKind.COLLECT, json.dumps(JOB), utc_now(), max_attempts=3, principal_id="bench")
        for _ in range(JOBS)
    ]

    async def act(context: ProcessContext) -> str:
        for first in range(0, JOBS, BATCH):
            await context.submission.submit_many([Submission(job) for job in jobs[first : first + BATCH]])
        access = Access(context.database, clock=context.clock)
        return (await access.create("bench", Scope.SUBMIT, created_by="bench")).secret

    return in_context(on, act), [job.job_id for job in jobs]


def seed_naive(on: Servers) -> list[UUID]:
    """Give the naive application as many rows of its own."""
    ids = [uuid7() for _ in range(JOBS)]
    values = ",".join(f"('{job_id}')" for job_id in ids)
    statement = f"""
        insert into naive_jobs (id, kind, state, spec, created_at)
        select id::uuid, 'collect', 'queued', '{json.dumps(JOB)}', now() from (values {values}) as v (id)
    """
    asyncio.run(execute(on.peer_environment()["BENCH_PEER_URL"], statement))
    return ids


@contextmanager
def peer(on: Servers, name: str, *argv: str, ready: str) -> Iterator[tuple[Measured, str]]:
    """Run a peer's server on a free port (`PORT` in `argv`); `ready` is a path that it answers."""
    port = free_port()
    arguments = [argument.replace("PORT", str(port)) for argument in argv]
    environment = on.peer_environment()
    with measured(name, [sys.executable, "-m", *arguments], log_dir=on.directory, environment=environment) as process:
        process.wait_until(lambda: answers(f"http://127.0.0.1:{port}{ready}"))
        yield process, f"http://127.0.0.1:{port}"


@contextmanager
def bench_of(seconds: float, rounds: int) -> Iterator[Bench]:
    """Start everything."""
    with servers() as on:
        key, job_ids = seed(on)
        uvicorn = ("uvicorn", "bench.peers.naive:app", "--port", "PORT", "--no-access-log", "--log-level", "warning")
        gunicorn = ("gunicorn", "bench.peers.flask_app:app", "-b", "127.0.0.1:PORT", "-w", "1", "-k", "sync")
        with (
            peer(on, "naive", *uvicorn, ready="/openapi.json") as naive,
            peer(on, "flask", *gunicorn, ready=f"/jobs/{job_ids[0]}") as flask,
            tocsin_api(on) as tocsin,
        ):
            yield Bench(on, tocsin, naive, flask, key, job_ids, seed_naive(on), seconds, rounds)


def summary(found: dict[str, dict[str, Figures]]) -> str:
    """The lines of the README's table."""
    rows = []
    for what, (unit, peer_name, target) in {
        "`POST /jobs`, 100 clients": ("req/s", "naive", "≥ 8 ×, p50 ≤ 10 ms"),
        "`POST /jobs:batch`, 1,000 items": ("items/s", "naive", "≥ 60,000 items/s"),
        "status poll, 100 clients": ("req/s", "Flask", "≥ 20,000 req/s, ≥ 20 × Flask"),
        "status poll, 304": ("req/s", "Flask", "likewise"),
    }.items():
        theirs, ours = found[what][peer_name], found[what]["Tocsin"]
        rows.append(
            [what, f"{peer_name} {number(theirs.rate)} {unit}", f"{number(ours.rate)} {unit}",
             ratio(ours.rate, theirs.rate), ratio(theirs.cpu, ours.cpu), target]
        )
    return table(["what", "peer", "ours", "ratio", "CPU ratio", "target"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3, help="length of one run")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    if not has_wrk():
        print("front: skipped, there is no wrk (Debian: apt-get install wrk)")
        return
    with bench_of(arguments.seconds, arguments.rounds) as bench:
        found = {
            "status poll, 100 clients": polls(bench),
            "status poll, 304": not_modified(bench),
            "`POST /jobs`, 100 clients": submit(bench),
            "`POST /jobs:batch`, 1,000 items": batches(bench),
        }
    units = {"`POST /jobs:batch`, 1,000 items": "item"}
    details = [f"### {what}\n\n{contest_table(units.get(what, 'request'), figures)}" for what, figures in found.items()]
    publish("front", [summary(found), *details])


if __name__ == "__main__":
    main()
